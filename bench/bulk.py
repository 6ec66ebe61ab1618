"""Decided executions resumed and completed per second, beside a bare loop that decides nothing.

The loop claims, and writes the end, one step and the outcome: no pause record, no second step, no
audit log, and no document is read.
"""

from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import psycopg

from bench import ground
from bench.processes import beside, daemon, floor
from bench.report import Row

COUNT = 20_000
DECIDE_ALL = (
    "UPDATE approval_requests SET status = 'approved', decided_at = now() WHERE status = 'pending'"
)


def measure(url: str, processes: int, target: float) -> Row:
    """Decide many at once while nobody looks, then let floor and daemons have them in turns."""
    low = _rate(url, floor, processes)
    ground.clear(url)
    ours = _rate(url, daemon, processes)
    name = f"resumed and completed, {processes} process{'es' if processes > 1 else ''}"
    return Row(name, "1/s", low, ours, ours / low, target, ">=", absolute=True)


def _rate(url: str, work: Any, processes: int) -> float:
    ground.pause(url, COUNT)
    with psycopg.connect(url, autocommit=True) as writer:
        writer.execute(DECIDE_ALL)
        writer.execute("CHECKPOINT")
    return COUNT / _drain(url, work, processes)


def _drain(url: str, work: Any, processes: int) -> float:
    """Return the seconds from the first commit to the last."""
    first, last, done = None, 0.0, 0
    with ExitStack() as stack:
        pipes = [stack.enter_context(beside(work, url))[0] for _ in range(processes)]
        while done < COUNT:
            for pipe in wait(pipes, timeout=60):
                committed, ids = cast(Connection, pipe).recv()
                first = first or committed
                last, done = max(last, committed), done + len(ids)
    return last - (first or last)
