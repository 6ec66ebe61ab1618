"""Decided executions resumed and completed per second, beside the same rows updated barely."""

import time
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import psycopg

from bench import ground
from bench.processes import beside, daemon
from bench.report import Row

COUNT = 20_000
DECIDE_ALL = (
    "UPDATE approval_requests SET status = 'approved', decided_at = now() WHERE status = 'pending'"
)


def measure(url: str, processes: int, target: float) -> Row:
    """Decide many at once while nobody looks, then let the daemons have them."""
    rows = ground.pause(url, COUNT)
    low = _bare_updates(url, [execution for execution, _ in rows])
    with psycopg.connect(url, autocommit=True) as writer:
        writer.execute(DECIDE_ALL)
        writer.execute("CHECKPOINT")
    began = time.perf_counter()
    seconds = _drain(url, processes, began)
    ours = COUNT / seconds
    name = f"resumed and completed, {processes} process{'es' if processes > 1 else ''}"
    return Row(name, "1/s", low, ours, ours / low, target, ">=", absolute=True)


def _drain(url: str, processes: int, began: float) -> float:
    """Return the seconds from the first commit to the last."""
    first, last, done = None, began, 0
    with ExitStack() as stack:
        pipes = [stack.enter_context(beside(daemon, url))[0] for _ in range(processes)]
        while done < COUNT:
            for pipe in wait(pipes, timeout=60):
                committed, ids = cast(Connection, pipe).recv()
                first = first or committed
                last, done = max(last, committed), done + len(ids)
    return last - (first or began)


def _bare_updates(url: str, ids: list[Any]) -> float:
    """Return row updates per second of a bare loop: batches of 100 by unnest, a commit each."""
    with psycopg.connect(url) as connection:
        connection.execute("SET resumer.own = 'on'")
        connection.commit()
        began = time.perf_counter()
        for start in range(0, len(ids), 100):
            connection.execute(
                """UPDATE workflow_executions e SET metadata = '{}'
                   FROM unnest(%s::uuid[]) AS v (id) WHERE e.id = v.id""",
                [ids[start : start + 100]],
            )
            connection.commit()
        return len(ids) / (time.perf_counter() - began)
