"""One run of chaos: load, faults, quiet, and the checker's word."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resumer_daemon.store.embedded import EmbeddedPostgres
from tests.chaos.checker import Facts
from tests.chaos.facts import facts_of
from tests.chaos.faults import Faults, Slot
from tests.chaos.observer import observe
from tests.chaos.programs import Work, beside, have_retried, left, receiving
from tests.harness.database import Databases
from tests.harness.server import binaries

DAEMONS = 4
LEASE = 4.0
SETTINGS: dict[str, Any] = {
    "lease": LEASE, "effect_deadline": 1.0, "drain_timeout": 1.0, "reconcile_interval": 1.0,
    "concurrency": 16, "http_allow": "127.0.0.1",
}  # fmt: skip


@dataclass
class Plan:
    """How much of everything, and what is run: `daemon` is the module with its command line.

    `patience` is how many seconds after the last fault everything has to be at its end.

    `seed` decides all that is not left to the operating system.
    """

    seed: int
    executions: int = 10_000
    kills: int = 500
    stops: int = 100
    restarts: int = 10
    daemon: str = "resumer_daemon"
    patience: float = 60.0


def run(plan: Plan, folder: Path) -> tuple[Facts, float]:
    """Run it; return what was left behind, and the seconds from the last fault to the last end."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(binaries=binaries()))
        database = Databases(server.url(), "chaos").make("empty", migrated=True)
        observe(database)
        log, work = folder / "receiver.jsonl", Work(plan.seed, plan.executions)
        port = stack.enter_context(receiving(log, plan.seed))
        slots = [
            Slot(number, database.url, folder, plan.daemon, SETTINGS) for number in range(DAEMONS)
        ]
        for slot in slots:
            stack.callback(slot.end)
            slot.start()
        starting = stack.enter_context(beside(database, work, f"http://127.0.0.1:{port}/"))
        faults = Faults(server, database.url, slots, random.Random(plan.seed))  # noqa: S311
        faults.let_loose(
            plan.kills, plan.stops, plan.restarts, lambda: work.started / work.executions
        )
        quiet = time.monotonic()
        starting.result(600)
        while left(database) and time.monotonic() < quiet + plan.patience:
            have_retried(database)
            time.sleep(0.1)  # what is left then is a fact, and the checker's business
        settled = time.monotonic() - quiet
        return facts_of(database, log, work, faults.interrupted), settled
