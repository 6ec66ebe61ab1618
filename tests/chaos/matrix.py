"""The kill matrix: each point between two durable facts, each shape of workflow, each signal.

In a cell one execution is run by a daemon that sends itself the signal at the point. Then another
daemon comes, and the checker looks at what is left of both.
"""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.chaos.checker import violations
from tests.chaos.facts import facts_of
from tests.chaos.failing import DELIVERY_POINTS, POINTS
from tests.chaos.intents import open_intents
from tests.chaos.observer import named, observe
from tests.chaos.programs import Work, beside, left, receiving
from tests.chaos.shapes import SHAPES, TELLING
from tests.harness.database import Database, Databases
from tests.harness.eventually import eventually_sync
from tests.harness.running import Process
from tests.harness.server import binaries

SIGNALS = ("SIGKILL", "SIGTERM", "SIGSTOP")
AT_ONCE = 4
PATIENCE = 60.0
SETTINGS: dict[str, Any] = {
    "lease": "2s", "effect_deadline": "1s", "drain_timeout": "1500ms", "http_allow": "127.0.0.1",
}  # fmt: skip


class Cell(NamedTuple):
    """Where, in what, and how."""

    point: str
    shape: str
    signal: str


ALL = tuple(
    Cell(*each)
    for each in (*product(POINTS, SHAPES, SIGNALS), *product(DELIVERY_POINTS, TELLING, SIGNALS))
)

ONCE_EACH = tuple(
    Cell(point, tuple(shapes)[number % len(shapes)], SIGNALS[number % len(SIGNALS)])
    for points, shapes in ((POINTS, SHAPES), (DELIVERY_POINTS, TELLING))
    for number, point in enumerate(points)
)
"""Every point once, and with it every shape and every signal."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What cells share: a server, a receiver and its log, a folder for what daemons log."""

    databases: Databases
    port: int
    receipts: Path
    folder: Path

    @property
    def receiver(self) -> str:
        """Where webhooks go."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def routes(self) -> str:
        """Where notifications go, as a setting."""
        return json.dumps({"*": f"json://127.0.0.1:{self.port}/"})


@contextmanager
def ground(folder: Path, seed: int) -> Iterator[Ground]:
    """Start what all cells share."""
    receipts = folder / "receiver.jsonl"
    with (
        EmbeddedPostgres(binaries=binaries()) as server,
        receiving(receipts, seed) as port,
    ):
        databases = Databases(server.url(), "matrix")
        yield Ground(databases, port, receipts, folder)


def run_matrix(cells: Sequence[Cell], folder: Path, seed: int) -> Iterator[tuple[Cell, list[str]]]:
    """Run the cells, some at once; yield what is wrong with each."""
    with ground(folder, seed) as here, ThreadPoolExecutor(AT_ONCE) as threads:
        databases = [here.databases.make("empty", migrated=True) for _ in cells]
        yield from zip(
            cells, threads.map(lambda cell, on: run_cell(here, on, cell), cells, databases),
            strict=True,
        )  # fmt: skip


def run_cell(here: Ground, database: Database, cell: Cell) -> list[str]:
    """Run one cell and return what is wrong."""
    work = Work(seed=0, executions=1, shapes=(cell.shape,))
    started: list[Process] = []
    observe(database)

    def daemon(module: str, **settings: Any) -> Process:
        name = f"{'-'.join(cell)}-{len(started)}"
        log, url = here.folder / f"{name}.log", named(database.url, name)
        told = {"notification_routes": here.routes}
        started.append(Process(url, log, module, **SETTINGS | told | settings))
        return started[-1]

    def failing(point: str, name: str, hit: int) -> Process:
        armed = {"failpoint": point, "failpoint_signal": name, "failpoint_hit": hit}
        return daemon("tests.chaos.failing", **armed)

    try:
        with beside(database, work, here.receiver):
            if cell.point.startswith("rescue"):  # somebody must have left something to be rescued
                _gone(failing("effect_unsent", "SIGKILL", 1))
            first = failing(cell.point, cell.signal, _hit(cell))
            eventually_sync(lambda: first.said("failpoint"), PATIENCE, of=f"{cell} is reached")
            if cell.signal != "SIGSTOP":
                _gone(first)
            interrupted = open_intents(database.url, None)
            daemon("resumer_daemon")
            until = time.monotonic() + PATIENCE
            while left(database) and time.monotonic() < until:
                time.sleep(0.02)  # what is left then is a fact, and the checker's business
            if cell.signal == "SIGSTOP":
                first.signal(signal.SIGCONT)
                first.signal(signal.SIGTERM)  # whatever it still does, it does now
                _gone(first)
        return violations(facts_of(database, here.receipts, work, interrupted))
    finally:
        for process in started:
            process.kill()


def _hit(cell: Cell) -> int:
    """Return at which passing: rather in the middle than at the beginning."""
    if cell.point.startswith("turn"):
        return 2 if cell.shape in ("wait", "repause") else 1
    return 2 if cell.point.startswith(("record", "effect")) else 1


def _gone(process: Process) -> None:
    eventually_sync(lambda: not process.running, PATIENCE, of="the daemon has ended")
