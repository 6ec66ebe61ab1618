"""One run of chaos: load, faults, quiet, and the checker's word."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import psycopg

from resumer_daemon.store.embedded import EmbeddedPostgres
from tests.chaos.checker import Execution, Facts, Intent, Receipt, Settled
from tests.chaos.faults import Faults, Slot
from tests.chaos.shapes import SHAPES
from tests.harness.database import Database, Databases
from tests.harness.server import binaries
from tests.harness.service import Service

DAEMONS, WAVE = 4, 50
HOLD = 30.0  # seconds that a wave is held back, at most: what never ends does not stop the rest
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
    started: int = 0
    decided: dict[str, str] = field(default_factory=dict)


def run(plan: Plan, folder: Path) -> tuple[Facts, float]:
    """Run it; return what was left behind, and the seconds from the last fault to the last end."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(binaries=binaries()))
        database = Databases(server.url(), "chaos").make("empty", migrated=True)
        log = folder / "receiver.jsonl"
        port = stack.enter_context(_receiver(log, plan.seed))
        slots = [
            Slot(number, database.url, folder, plan.daemon, SETTINGS) for number in range(DAEMONS)
        ]
        for slot in slots:
            stack.callback(slot.end)
            slot.start()
        starting = stack.enter_context(_beside(database, plan, f"http://127.0.0.1:{port}/"))
        faults = Faults(server, database.url, slots, random.Random(plan.seed))  # noqa: S311
        faults.let_loose(
            plan.kills, plan.stops, plan.restarts, lambda: plan.started / plan.executions
        )
        quiet = time.monotonic()
        starting.result(600)
        while _left(database) and time.monotonic() < quiet + plan.patience:
            time.sleep(0.1)  # what is left then is a fact, and the checker's business
        settled = time.monotonic() - quiet
        return _facts(database, log, plan, faults.interrupted), settled


@contextmanager
def _beside(database: Database, plan: Plan, receiver: str) -> Iterator[Future[None]]:
    """Run the programs beside the daemons: one starts, and is yielded; one decides and emits."""
    service = Service(database)
    for name, shape in SHAPES.items():
        service.workflow(*shape.steps, name=name)
    over = Event()
    with ThreadPoolExecutor(2) as threads:
        deciding = threads.submit(_decide, database, plan, over)
        try:
            yield threads.submit(_start, database, plan, receiver, over)
        finally:
            over.set()
    deciding.result()


def _start(database: Database, plan: Plan, receiver: str, over: Event) -> None:
    """Start executions in waves: the next when most of the last ones have ended, or in a while."""
    chance = random.Random(plan.seed + 1)  # noqa: S311
    latest = 0.0
    while plan.started < plan.executions and not over.is_set():
        with suppress(psycopg.OperationalError):
            if _unfinished(database) > WAVE * DAEMONS and time.monotonic() < latest:
                time.sleep(0.1)
                continue
            latest = time.monotonic() + HOLD
            count = min(WAVE, plan.executions - plan.started)
            with psycopg.connect(database.url) as connection:  # one transaction: all or none
                for _ in range(count):
                    payload = json.dumps({"receiver": receiver, "items": [1, 2, 3, 4]})
                    name = chance.choice(list(SHAPES))
                    connection.execute("SELECT resumer.start(%s, %s)", [name, payload])
            plan.started += count


def _decide(database: Database, plan: Plan, over: Event) -> None:
    """Approve what is asked, and emit what is waited for; write down what was acknowledged."""
    while not over.wait(0.05):
        with suppress(psycopg.OperationalError), psycopg.connect(database.url) as connection:
            rows = connection.execute(
                "UPDATE approval_requests SET status = 'approved', decided_at = now()"
                " WHERE status = 'pending' RETURNING id"
            ).fetchall()
            connection.execute(
                "SELECT resumer.emit('go', jsonb_build_object('key', e.execution_id))"
                " FROM resumer.pauses p JOIN workflow_executions e ON e.id = p.execution_id"
                " WHERE p.resumed_at IS NULL AND p.reason = 'waiting_for_event'"
                " AND NOT EXISTS (SELECT FROM events v WHERE v.payload ->> 'key' = e.execution_id)"
            )
            connection.commit()
            plan.decided.update({str(identity): "approved" for (identity,) in rows})


def _unfinished(database: Database) -> int:
    [(count,)] = database.run(
        "SELECT count(*) FROM workflow_executions WHERE status NOT IN ('completed', 'failed')"
    )
    return int(count)


def _left(database: Database) -> int:
    """Return how many executions and requests are not at their end."""
    [(count,)] = database.run(
        "SELECT count(*) FROM resumer.resume_requests WHERE outcome IS NULL OR outcome = 'held'"
    )
    return int(count) + _unfinished(database)


@contextmanager
def _receiver(log: Path, seed: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.chaos.receiver", str(log), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


def _facts(database: Database, log: Path, plan: Plan, interrupted: int) -> Facts:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    receipts = [
        Receipt(
            line["at"], line["key"], line["attempt"], line["sha256"],
            line["body"]["execution"], line["body"]["place"],
        )
        for line in lines
    ]  # fmt: skip
    return Facts(
        receipts, _executions(database), _journal(database), _ledger(database),
        plan.decided, interrupted,
    )  # fmt: skip


def _executions(database: Database) -> list[Execution]:
    rows = database.run(
        "SELECT e.execution_id, w.workflow_id, e.status, e.result,"
        " e.completed_at AT TIME ZONE 'UTC',"
        " ARRAY(SELECT ARRAY[s.step_id, s.status] FROM step_executions s"
        "  WHERE s.execution_id = e.id),"
        " (SELECT count(*) FROM resumer.pauses p WHERE p.execution_id = e.id)"
        " FROM workflow_executions e JOIN workflows w ON w.id = e.workflow_id"
    )
    return [
        Execution(key, shape, status, result, ended, [(s, how) for s, how in steps], pauses)
        for key, shape, status, result, ended, steps, pauses in rows
    ]


def _journal(database: Database) -> list[Intent]:
    return [
        Intent(*row)
        for row in database.run(
            "SELECT f.key, f.execution_id::text, f.status, f.epoch, l.epoch"
            " FROM resumer.effects f LEFT JOIN resumer.leases l USING (execution_id)"
        )
    ]


def _ledger(database: Database) -> list[Settled]:
    return [
        Settled(*row)
        for row in database.run(
            "SELECT source_id::text, decision, outcome FROM resumer.resume_requests"
            " WHERE kind = 'approval'"
        )
    ]
