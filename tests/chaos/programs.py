"""The programs beside the daemons: one starts executions, one decides and emits, one receives."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psycopg

from tests.chaos.gates import ROLE
from tests.chaos.shapes import EVERY, SHAPES
from tests.harness.database import Database
from tests.harness.service import Service

HOLD = 30.0  # seconds that a wave is held back, at most: what never ends does not stop the rest

RETRY = """
SELECT resumer.retry(i.execution_id, 'it was taken over in vain', 'chaos') FROM resumer.incidents i
WHERE i.cause = 'no_progress' AND NOT EXISTS (
  SELECT FROM resumer.requests r
  WHERE r.execution_id = i.execution_id AND r.kind = 'retry' AND r.outcome IS NULL)"""
WAVE, UNDER_WAY = 50, 200


@dataclass
class Work:
    """The executions of each shape: those started so far, and those acknowledged."""

    seed: int
    executions: int
    shapes: tuple[str, ...] = tuple(SHAPES)
    started: int = 0
    decided: dict[str, str] = field(default_factory=dict)


@contextmanager
def beside(database: Database, work: Work, receiver: str) -> Iterator[Future[None]]:
    """Run the programs beside the daemons: one starts, and is yielded; one decides and emits."""
    service = Service(database)
    for name, shape in EVERY.items():
        service.workflow(*shape.steps, name=name)
    over = Event()
    with ThreadPoolExecutor(2) as threads:
        deciding = threads.submit(_decide, database, work, over)
        try:
            yield threads.submit(_start, database, work, receiver, over)
        finally:
            over.set()
    deciding.result()


def _start(database: Database, work: Work, receiver: str, over: Event) -> None:
    """Start executions in waves: the next when most of the last ones have ended, or in a while."""
    chance = random.Random(work.seed + 1)  # noqa: S311
    latest = 0.0
    while work.started < work.executions and not over.is_set():
        with suppress(psycopg.OperationalError):
            if _unfinished(database) > UNDER_WAY and time.monotonic() < latest:
                time.sleep(0.1)
                continue
            latest = time.monotonic() + HOLD
            count = min(WAVE, work.executions - work.started)
            with psycopg.connect(database.url) as connection:  # one transaction: all or none
                for _ in range(count):
                    payload = json.dumps({"receiver": receiver, "items": [1, 2, 3, 4]})
                    name = chance.choice(work.shapes)
                    connection.execute("SELECT resumer.start(%s, %s)", [name, payload])
            work.started += count


def _decide(database: Database, work: Work, over: Event) -> None:
    """Approve what is asked, and emit what is waited for; write down what was acknowledged."""
    while not over.wait(0.05):
        with suppress(psycopg.OperationalError), psycopg.connect(database.url) as connection:
            rows = connection.execute(
                "UPDATE approval_requests SET status = 'approved', decided_at = now()"
                " WHERE status = 'pending' AND approver_role NOT LIKE %s RETURNING id",
                [f"{ROLE}%"],
            ).fetchall()
            connection.execute(
                "SELECT resumer.emit('go', jsonb_build_object('key', e.execution_id))"
                " FROM resumer.pauses p JOIN workflow_executions e ON e.id = p.execution_id"
                " WHERE p.resumed_at IS NULL AND p.reason = 'waiting_for_event'"
                " AND NOT EXISTS (SELECT FROM events v WHERE v.payload ->> 'key' = e.execution_id)"
            )
            connection.commit()
            work.decided.update({str(identity): "approved" for (identity,) in rows})


def _unfinished(database: Database) -> int:
    [(count,)] = database.run(
        "SELECT count(*) FROM workflow_executions WHERE status NOT IN ('completed', 'failed')"
    )
    return int(count)


def have_retried(database: Database) -> None:
    """Look at incidents as a person would: what was taken over too often in vain is retried."""
    database.run(RETRY)


LEFT = """
SELECT (SELECT count(*) FROM resumer.outbox WHERE state = 'pending')
  + (SELECT count(*) FROM workflow_executions e
     WHERE e.status NOT IN ('completed', 'failed', 'cancelled')
       AND NOT EXISTS (SELECT FROM apart WHERE apart.id = e.id))
  + (SELECT count(*) FROM resumer.requests r
     WHERE (r.outcome IS NULL OR r.outcome = 'held')
       AND NOT EXISTS (SELECT FROM apart WHERE apart.id = r.execution_id))
"""
APART = """
WITH apart AS (
  SELECT i.execution_id AS id FROM resumer.pauses i
  WHERE i.resumed_at IS NULL AND i.incident ->> 'cause' IN ('turn_timeout', 'too_large'))
"""


def left(database: Database) -> int:
    """Return how many executions, requests and messages are not at their end.

    What is set apart because no turn can finish with it is: nobody mends it here.
    """
    [(count,)] = database.run(APART + LEFT)
    return int(count)


@contextmanager
def receiving(log: Path, seed: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.chaos.receiver", str(log), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
