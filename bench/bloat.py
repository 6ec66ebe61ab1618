"""Decisions at a steady rate while somebody holds an old snapshot: nothing can be vacuumed."""

import threading
import time
from contextlib import closing
from multiprocessing.connection import Connection
from statistics import quantiles
from typing import Any
from uuid import UUID

import psycopg
from psycopg import IsolationLevel

from bench import ground
from bench.latency import DECIDE
from bench.processes import beside, daemon
from bench.report import Row

RATE, HELD = 200, 600.0
LIMIT = 50.0


def measure(url: str, minutes: float) -> list[Row]:
    """Decide at this rate for so long; the first minute against the last."""
    decided: dict[Any, float] = {}
    taken: list[tuple[float, float]] = []
    with (
        beside(daemon, url) as (pipe, _),
        closing(psycopg.connect(url)) as holder,
        psycopg.connect(url, autocommit=True) as writer,
    ):
        holder.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        threading.Thread(target=_collect, args=(pipe, decided, taken), daemon=True).start()
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < minutes * 60:
            if passed // HELD != (passed - 10) // HELD:  # ten minutes old at most
                holder.rollback()
                holder.execute("SELECT count(*) FROM resumer.requests")
            _decide(url, writer, decided, seconds=10)
    first = [seconds for at, seconds in taken if at - began < 60]
    last = [seconds for at, seconds in taken if began + minutes * 60 - at < 60]
    low, high = (quantiles(part, n=100)[98] * 1e3 for part in (first, last))
    name = f"{RATE}/s for {minutes:g} minutes under an old snapshot, p99"
    return [Row(name, "ms", low, high, high / low, LIMIT, "<=", absolute=True)]


def _decide(
    url: str, writer: psycopg.Connection[Any], decided: dict[Any, float], seconds: int
) -> None:
    rows = ground.pause(url, RATE * seconds, vacuum=False)
    began = time.perf_counter()
    for number, (execution, approval) in enumerate(rows):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        decided[execution] = time.perf_counter()
        writer.execute(DECIDE, [approval])


def _collect(pipe: Connection, decided: dict[Any, float], taken: list[tuple[float, float]]) -> None:
    while True:
        try:
            committed, ids, _ = pipe.recv()
        except EOFError:
            return
        taken.extend((committed, committed - decided.pop(UUID(bytes=each))) for each in ids)
