"""No statement of a role with rights on the service's tables alone keeps a daemon from the rest."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import log2
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumer_daemon.daemon.batch import BatchProcessor
from tests.harness import Database, eventually_sync
from tests.harness.inbox import Writer
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

BATCH = 16

TEXTS = [
    "NULL",
    "''",
    "'approved'",
    "' approved '",
    "'x\\n\\x1b[31m'",
    "repeat('x', 255)",
    "'ghost'",
]
STATUSES = [
    "'pending'", "'approved'", "'rejected'", "'expired'", "'APPROVED'", "'paused'", "'running'",
    "'waiting'", "'completed'", "'failed'", "'cancelled'", "''",
]  # fmt: skip
TIMES = [
    "NULL", "'infinity'", "'-infinity'", "'200000-01-01'", "'4000-01-01 BC'", "now()",
    "now() - interval '1 hour'", "now() + interval '300 ms'",
]  # fmt: skip
DOCUMENTS = [
    "NULL", "'null'", "'[]'", "'{}'", "'\"text\"'", "'{\"approved\": true}'",
    "'{\"approved\": {\"a\": []}, \"approval\": 1, \"approvals\": \"x\"}'",
    "('[' || repeat('9', 5000) || ']')::jsonb",
    "jsonb_build_object('n', (repeat('9', 5000))::numeric)",
    "(repeat('[', 3000) || repeat(']', 3000))::jsonb",
    "jsonb_build_object('x', repeat('x', 100000))",
    "jsonb_build_object(repeat('k', 300), '\\ufffd')",
]  # fmt: skip
NUMBERS = ["NULL", "0", "-1", "2147483647", "-2147483648"]
EXECUTIONS = [
    "NULL",
    "gen_random_uuid()",
    "(SELECT id FROM workflow_executions ORDER BY id LIMIT 1)",
]
PERSONS = ["NULL", "gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"]

COLUMNS = {
    "workflow_executions": {
        "id": EXECUTIONS, "status": STATUSES, "result": [*TEXTS, "'blocked'", "'allowed'"],
        "error_message": TEXTS, "context": DOCUMENTS, "resume_data": DOCUMENTS,
        "trigger_payload": DOCUMENTS, "started_at": TIMES, "completed_at": TIMES,
        "paused_at": TIMES, "last_resumed_at": TIMES, "resume_count": NUMBERS,
        "duration_ms": NUMBERS, "paused_reason": TEXTS, "paused_step_id": TEXTS,
        "next_step_id": TEXTS, "workflow_id": ["NULL"], "metadata": DOCUMENTS,
    },
    "approval_requests": {
        "id": PERSONS[1:2], "status": STATUSES, "execution_id": EXECUTIONS, "expires_at": TIMES,
        "requested_at": TIMES, "decided_at": TIMES, "approver_id": PERSONS, "approver_role": TEXTS,
        "reason": TEXTS, "decision_reason": TEXTS,
    },
    "events": {
        "event_type": ["'paid'", "''", *TEXTS[4:]], "payload": DOCUMENTS, "received_at": TIMES,
        "processed_at": TIMES,
    },
}  # fmt: skip
NEW = {
    "workflow_executions": "execution_id",
    "approval_requests": "request_id",
    "events": "event_id",
}


NEEDED = {
    "workflow_executions": {"status": "'running'"},
    "approval_requests": {"status": "'pending'", "execution_id": EXECUTIONS[2]},
    "events": {"event_type": "'paid'", "payload": "'{}'"},
}


@st.composite
def statements(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(sorted(COLUMNS)))
    columns = draw(st.lists(st.sampled_from(sorted(COLUMNS[table])), unique=True, max_size=6))
    values = [draw(st.sampled_from(COLUMNS[table][column])) for column in columns]
    where = draw(
        st.sampled_from(["", f" WHERE id = (SELECT id FROM {table} ORDER BY random() LIMIT 1)"])
    )
    match draw(st.sampled_from(["insert", "update", "update", "update", "delete"])):
        case "insert":
            needed = {**NEEDED[table], **dict(zip(columns, values, strict=True))}
            names = ", ".join([NEW[table], *needed])
            many = draw(st.sampled_from(["1", "40"]))
            given = ", ".join(["gen_random_uuid()", *needed.values()])
            return f"INSERT INTO {table} ({names}) SELECT {given} FROM generate_series(1, {many}) n"
        case "delete":
            return f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} LIMIT 1)"
        case _ if columns:
            pairs = ", ".join(f"{c} = {v}" for c, v in zip(columns, values, strict=True))
            return f"UPDATE {table} SET {pairs}{where}"
        case _:
            return f"DELETE FROM {table}{where}"


@dataclass
class Turns:
    """The longest run of failed turns."""

    failed: int = 0
    most: int = 0

    def count(self, turner: type[BatchProcessor], name: str, patch: pytest.MonkeyPatch) -> None:
        take = getattr(turner, name)

        async def counted(*given: Any, **named: Any) -> Any:
            try:
                turned = await take(*given, **named)
            except Exception:
                self.failed += 1
                self.most = max(self.most, self.failed)
                raise
            self.failed = 0
            return turned

        patch.setattr(turner, name, counted)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    made = Turns()
    for name in ("process_due", "process_given"):
        made.count(BatchProcessor, name, monkeypatch)
    return made


@pytest.fixture
def service(database: Database, turns: Turns) -> Iterator[Service]:
    with running(database, batch_size=BATCH, poll_interval="200ms", reconcile_interval="500ms"):
        made = Service(database)
        made.workflow(ask(), allow(), name="asks")
        wait = {"id": "wait", "type": "wait", "wait": {"event": "paid"}}
        made.workflow(wait, allow(), name="waits")
        yield made


def writes(writer: Writer, statement: str) -> None:
    """Run it; what the tables refuse is refused."""
    with suppress(psycopg.Error):
        writer.run(statement)


@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(written=st.lists(statements(), min_size=1, max_size=5))
def test_no_statement_makes_a_daemon_repeat_a_turn_more_often_than_it_halves_it(
    service: Service, writer: Writer, turns: Turns, written: list[str]
):
    for name in ("asks", "waits"):
        service.paused(name)
    for statement in written:
        writes(writer, statement)
    beside = service.paused("asks")
    service.decide(service.asked(beside)[0], "approved")
    eventually_sync(lambda: service.look(beside)["result"] == "allowed", of="others go on")
    assert turns.most <= log2(BATCH), written


def test_a_writer_whose_strings_have_escapes_is_refused_without_an_error(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        execution = service.paused()
    with database.connect() as writer:
        writer.execute("SET standard_conforming_strings = off")
        writer.execute(
            "UPDATE workflow_executions SET status = 'completed', result = 'allowed' WHERE id = %s",
            [execution],
        )
    assert service.standing(execution)[0] == "paused"
