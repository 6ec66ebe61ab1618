"""One run of chaos: load, faults, quiet, and the checker's word."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.chaos.checker import Facts, violations
from tests.chaos.facts import facts_of
from tests.chaos.faults import Faults, Slot
from tests.chaos.observer import observe
from tests.chaos.odd import odd_things
from tests.chaos.people import Gated, people
from tests.chaos.programs import Work, beside, have_retried, left, receiving
from tests.chaos.replay import Stood, differences
from tests.chaos.stood import stood
from tests.harness.database import Database, Databases
from tests.harness.eventually import eventually_sync
from tests.harness.server import binaries

DAEMONS = 4
LEASE = 4.0
SETTINGS: dict[str, Any] = {
    "lease": LEASE, "effect_deadline": 1.0, "drain_timeout": 1.0, "reconcile_interval": 1.0,
    "concurrency": 16, "http_allow": "127.0.0.1",
}  # fmt: skip


ENDLESS = """
CREATE FUNCTION observed.endless() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
END $$;
CREATE TRIGGER observed_endless BEFORE INSERT ON step_executions
FOR EACH ROW WHEN (NEW.step_id = 'endless') EXECUTE FUNCTION observed.endless();
"""


@dataclass
class Plan:
    """How much of everything, and what is run: `daemon` is the module with its command line.

    `patience` is how many seconds after the last fault everything has to be at its end.

    `seed` decides all that is not left to the operating system. `gated` executions are of the flows
    that people decide in any order, of `flows` alone where some are named; `odd` things happen to
    the database meanwhile. `sql` is run before all: what is wrong with the database.
    """

    seed: int
    executions: int = 10_000
    gated: int = 1_000
    odd: int = 100
    flows: tuple[str, ...] = ()
    sql: str = ""
    kills: int = 500
    stops: int = 100
    restarts: int = 10
    daemon: str = "resumer_daemon"
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Left:
    """What a run has left behind, and the seconds from the last fault to the last end."""

    facts: Facts
    stood: list[Stood]
    gated: Gated
    settled: float

    def wrong(self) -> list[str]:
        """Return what is wrong, a line each."""
        return [*violations(self.facts), *differences(self.stood, self.gated.flows)]


def run(plan: Plan, folder: Path) -> Left:
    """Run it, and return what was left behind."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(binaries=binaries()))
        database = Databases(server.url(), "chaos").make("empty", migrated=True)
        prepare(database, plan.sql)
        log, work = folder / "receiver.jsonl", Work(plan.seed, plan.executions)
        gated = Gated.of(plan.seed, plan.gated, plan.flows)
        port = stack.enter_context(receiving(log, plan.seed))
        slots = [
            Slot(number, database.url, folder, plan.daemon, SETTINGS) for number in range(DAEMONS)
        ]
        for slot in slots:
            stack.callback(slot.end)
            slot.start()
        eventually_sync(
            lambda: all(slot.instance for slot in slots), 120, of="all daemons have started"
        )
        receiver = f"http://127.0.0.1:{port}/"
        starting = stack.enter_context(beside(database, work, receiver))
        stack.enter_context(people(database, gated, receiver))
        threads = stack.enter_context(ThreadPoolExecutor(1))
        odd = threads.submit(odd_things, database, gated, plan.odd)
        faults = Faults(server, database.url, slots, random.Random(plan.seed))  # noqa: S311
        faults.let_loose(
            plan.kills, plan.stops, plan.restarts,
            lambda: (work.started + gated.started) / (work.executions + gated.executions),
        )  # fmt: skip
        odd.result(600)
        starting.result(600)
        quiet = time.monotonic()
        while not _ended(database, gated) and time.monotonic() < quiet + plan.patience:
            have_retried(database)
            time.sleep(0.1)  # what is left then is a fact, and the checker's business
        settled = time.monotonic() - quiet
        interrupted = faults.interrupted + gated.interrupted
        facts = facts_of(database, log, work, interrupted)
        return Left(facts, stood(database, gated), gated, settled)


def prepare(database: Database, sql: str) -> None:
    """Let nothing finish a step named `endless`, and do to the database what shall be wrong."""
    observe(database)
    with database.connect() as connection:
        connection.execute(ENDLESS)
        if sql:
            connection.execute(sql.encode())


def _ended(database: Database, gated: Gated) -> bool:
    return gated.started == gated.executions and not left(database)
