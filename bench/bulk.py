"""Decided executions resumed and completed per second, beside two bare loops.

One loop writes the minimum: the end, one step and the outcome. The other writes all that the daemon
writes. Both decide nothing. Processor time per resume stands beside the rates, because it is
steadier on a shared machine.
"""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import psycopg

from bench import ground
from bench.cpu import server_seconds
from bench.processes import Commit, beside, daemon, floor, floor_with_same_writes
from bench.report import Row

COUNT = 20_000
DECIDE_ALL = (
    "UPDATE approval_requests SET status = 'approved', decided_at = now() WHERE status = 'pending'"
)


@dataclass(frozen=True, slots=True)
class Drain:
    """Resumes per second, and microseconds of processor time per resume."""

    rate: float
    client: float
    server: float


def measure(url: str) -> list[Row]:
    """Decide many at once while nothing runs, then let loops and daemons drain them in turns."""
    rows = []
    for processes in (1, 2):
        minimal, same, ours = (
            _decided(url, work, processes) for work in (floor, floor_with_same_writes, daemon)
        )
        name = f"resumed and completed, {processes} process{'es' if processes > 1 else ''}"
        rows += [
            _row(f"{name} (floor: minimal writes)", "1/s", minimal.rate, ours.rate, 0.45, ">="),
            _row(f"{name} (floor: same writes)", "1/s", same.rate, ours.rate, 0.6, ">="),
        ]
        if processes == 1:
            cpu = [
                _row("client CPU per resume", "us", minimal.client, ours.client, 9),
                _row("server CPU per resume (floor: minimal writes)", "us", minimal.server,
                     ours.server),
                _row("server CPU per resume (floor: same writes)", "us", same.server, ours.server),
            ]  # fmt: skip
    minimal, ours = (_decided(url, work, 1, ground.WITHOUT_DECIMALS) for work in (floor, daemon))
    name = "client CPU per resume, 1 KB without decimals"
    return [*rows, *cpu, _row(name, "us", minimal.client, ours.client, 8)]


def _row(
    name: str, unit: str, low: float, ours: float, target: float | None = None, sense: Any = "<="
) -> Row:
    return Row(name, unit, low, ours, ours / low, target, sense)


def _decided(
    url: str, work: Any, processes: int, context: dict[str, Any] = ground.PAYLOAD
) -> Drain:
    ground.clear(url)  # the daemon would first mend what a loop leaves undone
    ground.pause(url, COUNT, context=context)
    with psycopg.connect(url, autocommit=True) as writer:
        writer.execute(DECIDE_ALL)
        writer.execute("CHECKPOINT")
    return _drain(url, work, processes)


def _drain(url: str, work: Any, processes: int) -> Drain:
    """Measure from the first commit to the last."""
    first: dict[Connection, Commit] = {}
    last: dict[Connection, Commit] = {}
    done = unmeasured = 0
    server = 0.0
    with closing(psycopg.connect(url, autocommit=True)) as watch, ExitStack() as stack:
        pipes = [stack.enter_context(beside(work, url))[0] for _ in range(processes)]
        while done < COUNT:
            for each in wait(pipes, timeout=60):
                pipe = cast(Connection, each)
                commit = last[pipe] = pipe.recv()
                done += len(commit.ids)
                if not first:
                    server = -server_seconds(watch)
                if pipe not in first:
                    first[pipe] = commit
                    unmeasured += len(commit.ids)
        server += server_seconds(watch)
    seconds = max(commit.at for commit in last.values()) - min(c.at for c in first.values())
    client = sum(commit.cpu - first[pipe].cpu for pipe, commit in last.items())
    resumes = COUNT - unmeasured
    return Drain(COUNT / seconds, client / resumes * 1e6, server / resumes * 1e6)
