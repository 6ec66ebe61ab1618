"""The processor time of processes and of a server."""

import os
from pathlib import Path
from typing import Any

import psycopg

TICK = 1 / os.sysconf("SC_CLK_TCK")
PARENT, EXITED = 1, slice(13, 15)
"""Fields of /proc/PID/stat behind the name: the parent, and the ticks of children that exited."""


def processor_seconds(process: int) -> float:
    """Return the processor time of a process, to the nanosecond: ticks miss short work."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((t / "schedstat").read_text("utf-8").split()[0]) for t in threads) / 1e9


def server_seconds(connection: psycopg.Connection[Any]) -> float:
    """Return the processor time of all children of the postmaster until now.

    Those that have exited count too, because a daemon closes a session when a backlog ends.
    """
    postmaster = int(_stat(connection.info.backend_pid)[PARENT])
    while True:
        exited = _exited_seconds(postmaster)
        try:
            running = sum(processor_seconds(child) for child in _children(postmaster))
        except OSError:  # one exited meanwhile
            continue
        if _exited_seconds(postmaster) == exited:
            return exited + running


def _exited_seconds(process: int) -> float:
    return sum(map(int, _stat(process)[EXITED])) * TICK


def _children(process: int) -> list[int]:
    numbers = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
    return [number for number in numbers if _parent(number) == process]


def _parent(process: int) -> int | None:
    """Return None if the process has exited."""
    try:
        return int(_stat(process)[PARENT])
    except OSError:
        return None


def _stat(process: int) -> list[str]:
    return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
