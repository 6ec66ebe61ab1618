"""A daemon with nothing to do: transactions, processor time and memory."""

import time
from pathlib import Path
from typing import Any

import psycopg

from bench.cpu import processor_seconds
from bench.processes import beside, daemon, floor
from bench.report import Row

SETTLE, SECONDS = 15, 60  # a silent session reports its transactions after ten seconds
COUNT = (
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
)


def measure(url: str) -> list[Row]:
    """Watch each for a minute: the floor too wakes up, listens, and looks every five seconds."""
    low, ours = (_watched(url, work) for work in (floor, daemon))
    units = (("transactions", "1/s", 0.5), ("processor", "%", 0.5), ("memory", "MB", 90))
    return [
        Row(f"idle: {n}", unit, low[n], ours[n], ours[n] / low[n], target, "<=", absolute=True)
        for n, unit, target in units
    ]


def _watched(url: str, work: Any) -> dict[str, float]:
    """Return what one of the two takes; our own two questions are not counted."""
    with beside(work, url) as (_, process), psycopg.connect(url, autocommit=True) as watch:
        time.sleep(SETTLE)
        before, cpu = _transactions(watch), processor_seconds(process)
        time.sleep(SECONDS)
        transactions = _transactions(watch) - before - 1
        busy = (processor_seconds(process) - cpu) / SECONDS
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    [memory] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return {
        "transactions": transactions / SECONDS,
        "processor": busy * 100,
        "memory": int(memory) / 1024,
    }


def _transactions(watch: psycopg.Connection[tuple[int]]) -> int:
    """Return how many there were; sessions report when they are idle, and at most once a second."""
    time.sleep(1.5)
    row = watch.execute(COUNT).fetchone()
    return 0 if row is None else row[0]
