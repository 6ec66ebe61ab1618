"""One statement that decides 100,000 approvals: what it costs the writer, and until all resumed."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from bench import ground
from bench.processes import beside, daemon
from bench.report import Row

COUNT, ROUNDS = 100_000, 3
DECIDE = "UPDATE approval_requests SET status = %s, decided_at = now() WHERE status = %s"
MEMORY = 200.0


def measure(url: str) -> list[Row]:
    """Measure the statement with triggers and without, in turns; then let one daemon have all."""
    ground.pause(url, COUNT)
    bare, ours = [], []
    with closing(psycopg.connect(url, autocommit=True)) as writer:
        writer.execute(DECIDE, ["pending", "nothing"])  # as after single decisions in a session
        for _ in range(ROUNDS):
            bare.append(_decide(writer, "DISABLE"))
            ours.append(_decide(writer, "ENABLE"))
        heard = _notifications(url, writer)
    seconds, memory = _drain(url)
    low, high = sorted(bare)[ROUNDS // 2], sorted(ours)[ROUNDS // 2]
    name = f"one statement, {COUNT:,} decisions"
    return [
        Row(name, "s", low, high, high / low, 1.8, "<="),
        Row(f"{name}: notifications", "", 1, heard, heard, 1, "<=", absolute=True),
        # 0.6 of the ratio of 14.6 that the run in docs/benchmarks.md had
        Row(f"{name}: until all resumed", "s", low, seconds, seconds / low, 8.7, "<="),
        Row(f"{name}: memory of the daemon", "MB", 0, memory, 0, MEMORY, "<=", absolute=True),
    ]


def _decide(writer: psycopg.Connection[Any], triggers: str) -> float:
    """Return the seconds that the statement takes; afterwards nothing is decided."""
    for name in ("insert", "update"):
        writer.execute(
            f"ALTER TABLE approval_requests {triggers} TRIGGER resumer_approval_{name}".encode()
        )
    writer.execute("CHECKPOINT")
    began = time.perf_counter()
    writer.execute(DECIDE, ["approved", "pending"])
    took = time.perf_counter() - began
    writer.execute("SET session_replication_role = replica")
    writer.execute(DECIDE, ["pending", "approved"])
    writer.execute("RESET session_replication_role")
    writer.execute("DELETE FROM resumer.resume_requests")
    writer.execute("VACUUM ANALYZE approval_requests, resumer.resume_requests")
    return took


def _notifications(url: str, writer: psycopg.Connection[Any]) -> int:
    """Decide once and for all; return how many notifications that was."""
    with closing(psycopg.connect(url, autocommit=True)) as ear:
        ear.execute("LISTEN resumer_wake")
        writer.execute(DECIDE, ["approved", "pending"])
        return len(list(ear.notifies(timeout=1.0)))


def _drain(url: str) -> tuple[float, float]:
    """Return the seconds until all are completed, and the most memory that the daemon had."""
    began, done = time.perf_counter(), 0
    with beside(daemon, url) as (pipe, process):
        while done < COUNT:
            _, ids, _ = pipe.recv()
            done += len(ids)
        memory = _peak(process)
    return time.perf_counter() - began, memory


def _peak(process: int) -> float:
    """Return the peak of a process's resident memory, in megabytes."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) / 1024
