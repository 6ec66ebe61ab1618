"""The people and programs beside the flows of `tests/chaos/gates.py`, in an order of their own.

They decide gates in random order, some in one statement, resume by force, cancel, emit events among
thousands of strangers', and write old copies of rows back.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from tests.chaos.gates import ROLE, SELDOM, Flow, flows
from tests.harness.database import Database
from tests.harness.service import Service, insert

Connection = psycopg.Connection[Any]

OUR_FAULT = (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError)
"""What the database never says of what it refuses or loses: these go on with what there is then."""

SILENT = 0.1  # the share of decisions that no trigger sees
STRANGERS = 400  # events of others at once

PENDING = """
SELECT a.id, a.approver_role, coalesce(e.trigger_payload ->> 'number', '0'), e.id, w.workflow_id
FROM approval_requests a
JOIN workflow_executions e ON e.id = a.execution_id
JOIN workflows w ON w.id = e.workflow_id
WHERE a.status = 'pending' AND a.approver_role LIKE %(role)s
  AND e.status IN ('running', 'paused', 'completed')
ORDER BY a.approver_role, a.id
"""
DECIDE = """
UPDATE approval_requests a
SET status = v.status, approver_id = v.approver, decided_at = localtimestamp
FROM unnest(%(ids)s::uuid[], %(verdicts)s::text[], %(approvers)s::uuid[])
  AS v (id, status, approver)
WHERE a.id = v.id AND a.status = 'pending'
"""
AWAITED = """
SELECT e.execution_id, w.event_type FROM resumer.event_waits w
JOIN workflow_executions e ON e.id = w.execution_id WHERE w.event_type <> 'go' ORDER BY 1, 2
"""
CROWD = """
INSERT INTO events (event_id, event_type, payload)
SELECT 'evt_' || gen_random_uuid(), %(type)s, jsonb_build_object('key', 'nobody ' || n)
FROM generate_series(1, %(count)s) AS n
"""
STANDING = """
SELECT e.id, e.status, e.result, e.error_message, e.context, e.resume_data, e.paused_at,
  e.paused_reason, e.resume_count, e.last_resumed_at, e.completed_at, e.duration_ms
FROM workflow_executions e JOIN workflows w ON w.id = e.workflow_id
WHERE w.workflow_id = ANY (%(flows)s) AND e.status = ANY (%(statuses)s)
ORDER BY md5(e.id::text || %(salt)s) LIMIT %(limit)s
"""
WRITE_BACK = """
UPDATE workflow_executions SET status = %s, result = %s, error_message = %s, context = %s,
  resume_data = %s, paused_at = %s, paused_reason = %s, resume_count = %s, last_resumed_at = %s,
  completed_at = %s, duration_ms = %s
WHERE id = %s
"""
OPEN = """
SELECT count(*) FROM resumer.effects f JOIN resumer.leases l USING (execution_id)
WHERE f.execution_id = %s AND f.status = 'intent' AND l.lease_until IS NOT NULL
"""
CANCEL = """
UPDATE workflow_executions SET status = 'cancelled'
WHERE id = %s AND status IN ('running', 'paused') RETURNING id
"""
GROW = """
UPDATE workflow_executions SET context = context || jsonb_build_object('doc', repeat('x', 9000000))
WHERE id = %s AND octet_length(context::text) < 9000000
"""
BLOCK = """
UPDATE workflow_executions
SET status = 'completed', result = 'blocked', completed_at = localtimestamp, duration_ms = 12
WHERE id = %s
"""


@dataclass
class Gated:
    """The executions of flows, the commits that people saw, and their attempts.

    `tried` are the executions that somebody has tried to cancel, `copies` rows as they once were.
    `unguarded` is held while the guard is off: who writes an old copy then cannot be stopped.
    """

    seed: int
    executions: int
    flows: Mapping[str, Flow]
    started: int = 0
    decided: int = 0
    tried: set[UUID] = field(default_factory=set)
    cancelled: set[UUID] = field(default_factory=set)
    emitted: set[tuple[Any, ...]] = field(default_factory=set)
    copies: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    written_back: int = 0
    strangers: int = 0
    forced: int = 0
    interrupted: int = 0
    unguarded: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, seed: int, executions: int, only: Sequence[str] = ()) -> "Gated":
        """Return what is to be done: of all flows, or `only` of some."""
        every = flows(seed)
        chosen = {name: flow for name, flow in every.items() if not only or name in only}
        return cls(seed, executions, chosen)


@contextmanager
def people(database: Database, gated: Gated, receiver: str) -> Iterator[None]:
    """Let them work until the block ends."""
    service = Service(database)
    for name, flow in gated.flows.items():
        service.workflow(*flow.steps, name=name)
    over = Event()
    works = (_start(receiver), _decide, _emit, _resume, _write_back, _cancel)
    with ThreadPoolExecutor(len(works)) as threads:
        working = [
            threads.submit(_keep_on, work, database, gated, over, number)
            for number, work in enumerate(works)
        ]
        try:
            yield
        finally:
            over.set()
    for each in working:
        each.result()


Work = Callable[[Connection, Gated, random.Random], None]


def _keep_on(work: Work, database: Database, gated: Gated, over: Event, number: int) -> None:
    chance = random.Random(f"{gated.seed} {number}")  # noqa: S311
    while not over.wait(0.02 + chance.random() * 0.1):
        try:
            with psycopg.connect(database.url) as connection:
                work(connection, gated, chance)
        except psycopg.DatabaseError as error:
            if isinstance(error, OUR_FAULT):
                raise


def _start(receiver: str) -> Work:
    """Return the program that starts executions, a few at once."""

    def start(connection: Connection, gated: Gated, chance: random.Random) -> None:
        numbers = range(gated.started, min(gated.started + 10, gated.executions))
        for number in numbers:
            name = _flow(gated, number)
            flow = gated.flows[name]
            payload: dict[str, Any] = {"receiver": receiver, "items": [1, 2], "number": number}
            if flow.large:
                payload["doc"] = "x" * flow.large
            if flow.adopted:
                _run_in_the_service(connection, name, payload, chance)
            else:
                connection.execute("SELECT resumer.start(%s, %s)", [name, Jsonb(payload)])
        connection.commit()
        gated.started += len(numbers)

    return start


def _flow(gated: Gated, number: int) -> str:
    """Return which flow the execution of this number has: each once, then any but costly ones."""
    names = list(gated.flows)
    often = [name for name in names if name not in SELDOM] or names
    if number < len(names):
        return names[-1 - number]
    return random.Random(f"{gated.seed} flow {number}").choice(often)  # noqa: S311


def _run_in_the_service(
    connection: Connection, name: str, payload: Mapping[str, Any], chance: random.Random
) -> None:
    """Run an execution as the service does up to its gate, at times where no trigger fires."""
    if chance.random() < 0.7:
        connection.execute("SET LOCAL session_replication_role = replica")
    [workflow] = connection.execute(
        "SELECT id FROM workflows WHERE workflow_id = %s", [name]
    ).fetchone() or (None,)
    execution = insert(
        connection, "workflow_executions",
        {
            "workflow_id": workflow, "status": "running", "trigger_payload": Jsonb(payload),
            "context": Jsonb(payload), "execution_id": f"exec_{chance.randrange(2**60):x}",
        },
    )  # fmt: skip
    step = {"execution_id": execution, "step_id": "gate", "step_type": "action"}
    insert(connection, "step_executions", step | {"status": "completed"})
    connection.execute(BLOCK, [execution])
    asked = {"execution_id": execution, "request_id": f"appr_{chance.randrange(2**60):x}"}
    role = {"status": "pending", "approver_role": f"{ROLE}gate"}
    insert(connection, "approval_requests", asked | role)
    connection.execute("SET LOCAL session_replication_role = origin")


def _decide(connection: Connection, gated: Gated, chance: random.Random) -> None:
    """Decide some of what is asked, in any order, some of it in one statement."""
    rows = connection.execute(PENDING, {"role": f"{ROLE}%"}).fetchall()
    chance.shuffle(rows)
    rows = rows[: round(len(rows) * chance.choice((0.3, 0.6, 1.0)))]
    for _, _, _, execution, flow in rows:
        if gated.flows[flow].stuck == "too_large":
            connection.execute(GROW, [execution])
    while rows:
        together = [rows.pop() for _ in range(min(len(rows), chance.choice((1, 1, 2, 5, 20))))]
        if chance.random() < SILENT:
            connection.execute("SET LOCAL session_replication_role = replica")
        verdicts = [_verdict(gated, *row[1:3]) for row in together]
        connection.execute(
            DECIDE,
            {
                "ids": [row[0] for row in together],
                "verdicts": verdicts,
                "approvers": [UUID(int=chance.getrandbits(128)) for _ in together],
            },
        )
        connection.commit()
        gated.decided += len(together)


def _verdict(gated: Gated, role: str, number: str) -> str:
    """Return what is said to this role: it hangs on the seed alone."""
    luck = random.Random(f"{gated.seed} {number} {role}").random()  # noqa: S311
    return "approved" if luck < 0.85 else "rejected"


def _emit(connection: Connection, gated: Gated, chance: random.Random) -> None:
    """Emit what is waited for, each once, and many events of the same types that nobody means."""
    waited = [row for row in connection.execute(AWAITED).fetchall() if row not in gated.emitted]
    chance.shuffle(waited)
    for key, event in waited:
        connection.execute("SELECT resumer.emit(%s, %s)", [event, json.dumps({"key": key})])
    if gated.strangers < gated.executions * 10:
        for event in ("go", "paid", "event of m1"):
            connection.execute(CROWD, {"type": event, "count": STRANGERS})
    connection.commit()
    gated.emitted.update(waited)
    gated.strangers += 3 * STRANGERS if gated.strangers < gated.executions * 10 else 0


def _standing(
    connection: Connection, gated: Gated, chance: random.Random, limit: int, *statuses: str
) -> list[tuple[Any, ...]]:
    names = [name for name, flow in gated.flows.items() if not (flow.stuck or flow.adopted)]
    salt = str(chance.random())
    asked = {"flows": names, "statuses": list(statuses), "limit": limit, "salt": salt}
    return connection.execute(STANDING, asked).fetchall()


RESUME = "SELECT resumer.resume(%s, %s, 'ann', 'why', true, %s)"
ASKED = """
SELECT e.id, w.workflow_id, p.number FROM resumer.pauses p
JOIN workflow_executions e ON e.id = p.execution_id
JOIN workflows w ON w.id = e.workflow_id
WHERE p.resumed_at IS NULL AND p.reason = 'approval_required' AND w.workflow_id = ANY (%(flows)s)
ORDER BY 1
"""


def _resume(connection: Connection, gated: Gated, chance: random.Random) -> None:
    """Resume by force what waits for an approval, as an approver's no or yes."""
    names = [name for name, flow in gated.flows.items() if not (flow.stuck or flow.adopted)]
    for execution, name, number in connection.execute(ASKED, {"flows": names}).fetchall():
        if chance.random() < gated.flows[name].forced / 4:
            data = Jsonb({"approved": chance.random() < 0.3})
            try:
                connection.execute(RESUME, [execution, data, number])
            except psycopg.Error as error:
                connection.rollback()
                if error.sqlstate != "RZ409":
                    raise
                continue  # it went on meanwhile, and nobody has looked at where it stands now
            connection.commit()
            gated.forced += 1


def _write_back(connection: Connection, gated: Gated, chance: random.Random) -> None:
    """Keep rows as they are while paused, and write them over what they have become since."""
    connection.execute("SET DateStyle = 'ISO'")
    copies = gated.copies
    copies.update({row[0]: row for row in _standing(connection, gated, chance, 20, "paused")})
    now = _standing(connection, gated, chance, 20, "running", "running", "completed", "cancelled")
    for row in now:
        if row[0] in copies and chance.random() < (0.8 if row[1] == "running" else 0.1):
            with gated.unguarded:
                _write(connection, gated, copies[row[0]], row[1], chance)


def _write(
    connection: Connection, gated: Gated, old: tuple[Any, ...], now: str, chance: random.Random
) -> None:
    """Write an old copy back: paused, or as an end; over what runs, also as what it never was."""
    identity, status, result, error, context, data, *times = old
    if now == "running":
        status = chance.choice((status, status, "pending", "waiting"))
    elif now == "cancelled":
        status, result = chance.choice(((status, result), ("completed", "allowed")))
    [under_way] = connection.execute(OPEN, [identity]).fetchone() or (0,)
    gated.interrupted += under_way  # where a lock keeps the guard from looking, it is undone later
    documents = [None if each is None else Jsonb(each) for each in (context, data)]
    connection.execute(WRITE_BACK, [status, result, error, *documents, *times, identity])
    connection.commit()
    gated.written_back += 1


def _cancel(connection: Connection, gated: Gated, chance: random.Random) -> None:
    """Cancel what runs or waits now and then, and let an old copy of it be written back at once."""
    if len(gated.cancelled) > gated.started / 20:
        return
    rows = _standing(connection, gated, chance, 2, "running")
    for row in rows:
        gated.tried.add(row[0])
        done = connection.execute(CANCEL, [row[0]]).fetchall()
        connection.commit()
        gated.cancelled.update(identity for (identity,) in done)
        if done:
            with gated.unguarded:
                _write(connection, gated, row, "cancelled", chance)
