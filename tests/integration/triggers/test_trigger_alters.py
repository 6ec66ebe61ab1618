"""The service changes the tables that our triggers are on: nothing of ours is in the way, and no
writer fails, whatever a column is called and whatever its type is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.harness import Database
from tests.harness.inbox import Writer, left
from tests.harness.service import Rows

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])

OURS = (
    "FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid"
    " AND f.pronamespace = 'resumer'::regnamespace"
)

COLUMNS = {
    "workflow_executions": (
        "id", "execution_id", "status", "result", "completed_at", "duration_ms", "paused_at",
        "paused_reason", "resume_count", "last_resumed_at", "context", "resume_data",
    ),
    "approval_requests": ("id", "request_id", "execution_id", "status", "approver_id"),
    "events": ("id",),
}  # fmt: skip

RETYPED = [
    ("workflow_executions", "status", "varchar(100)"),
    ("workflow_executions", "status", "text"),
    ("workflow_executions", "result", "varchar(100)"),
    ("workflow_executions", "result", "text"),
    ("workflow_executions", "completed_at", "timestamptz"),
    ("workflow_executions", "resume_count", "bigint"),
    ("workflow_executions", "resume_data", "json"),
    ("approval_requests", "status", "varchar(100)"),
    ("approval_requests", "status", "text"),
    ("approval_requests", "approver_id", "text"),
]

WORDS = (
    "'pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'approved',"
    " 'rejected', 'expired'"
)


class Session:
    """A session of the service that wrote before anything was changed, and keeps its plans."""

    def __init__(self, connection: psycopg.Connection[Any], rows: Rows) -> None:
        self.connection = connection
        self.rows = rows
        self.names: dict[tuple[str, str], str] = {}

    def name(self, table: str, column: str) -> str:
        return self.names.get((table, column), column)

    def writes(self) -> None:
        """Write all that our triggers look at, row for row, and undo it: each row is written."""
        status = self.name("workflow_executions", "status")
        result = self.name("workflow_executions", "result")
        decision = self.name("approval_requests", "status")
        execution = self.name("approval_requests", "execution_id")
        identity = self.name("workflow_executions", "id")
        request = self.name("approval_requests", "request_id")
        approver = self.name("approval_requests", "approver_id")
        key = self.name("workflow_executions", "execution_id")
        more = self.rows.column
        with self.connection.transaction(force_rollback=True):
            for statement in (
                "UPDATE workflow_executions SET error_message = 'again'",
                f"UPDATE workflow_executions SET {status} = 'running'",
                f"UPDATE workflow_executions SET {status} = 'waiting'",
                f"UPDATE approval_requests SET {decision} = 'approved',"
                f" {approver} = gen_random_uuid()",
                f"UPDATE approval_requests SET {execution} = NULL",
                "DELETE FROM approval_requests",
                f"INSERT INTO approval_requests ({request}, {execution}, {decision},"
                f" {approver}{more}) SELECT 'new', {identity}, 'approved', gen_random_uuid(){more}"
                " FROM workflow_executions",
                f"INSERT INTO workflow_executions ({key}, {status}{more})"
                f" SELECT 'new', 'running'{more} FROM workflow_executions",
                f"INSERT INTO events (event_id, event_type, payload{more})"
                f" SELECT 'new', 'paid', '{{}}'{more} FROM workflow_executions LIMIT 1",
                f"UPDATE workflow_executions SET {status} = 'running', {result} = NULL",
                "DELETE FROM workflow_executions",
            ):
                assert self.connection.execute(statement).rowcount > 0, statement


@pytest.fixture
def session(writer: Writer, rows: Rows) -> Iterator[Session]:
    execution = rows.execution()
    rows.approval(execution, request_id="asked")
    with writer.connect() as connection:
        made = Session(connection, rows)
        for _ in range(7):  # from the sixth time on a plan is kept
            made.writes()
        writer.database.run("DELETE FROM resumer.resume_requests")
        assert writer.warnings == []
        yield made


@contextmanager
def guarded(database: Database) -> Iterator[None]:
    """Have the guard of decisions on."""
    database.run("ALTER TABLE approval_requests ENABLE TRIGGER resumer_approval_guard")
    yield
    database.run("ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_guard")


def test_no_trigger_of_ours_names_a_column(database: Database):  # P1
    assert len(database.run(f"SELECT t.tgname {OURS}")) == 8
    named = (
        f"SELECT t.tgname, a.attname {OURS}"
        " JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid"
        " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
    )
    assert database.run(named) == []
    # a WHEN is read anew by each statement, which takes longer than our functions
    assert database.run(f"SELECT t.tgname {OURS} WHERE t.tgqual IS NOT NULL") == []


@both_vintages
def test_a_column_that_is_called_otherwise_fails_no_writer(  # P4
    database: Database, writer: Writer, session: Session
):
    for table, columns in COLUMNS.items():
        for column in columns:
            database.run(f"ALTER TABLE {table} RENAME COLUMN {column} TO renamed")
            session.names = {(table, column): "renamed"}
            session.writes()
            database.run(f"ALTER TABLE {table} RENAME COLUMN renamed TO {column}")
    session.names = {}
    assert {severity for severity, *_ in writer.warnings} == {"WARNING"}
    writer.warnings.clear()
    session.writes()
    assert writer.warnings == []


@both_vintages
@pytest.mark.parametrize(("table", "column", "kind"), RETYPED)
def test_a_column_of_another_type_is_captured_in_a_session_of_before(  # P1
    database: Database, writer: Writer, session: Session, table: str, column: str, kind: str
):
    """Two changes in a row, for what a session has learned of the first type is out of date."""
    for written in (kind, "varchar(200)" if column in ("status", "result") else kind):
        database.run(
            f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {written} USING {column}::{written}"
        )
        session.writes()
    assert writer.warnings == []
    [(execution,)] = database.run("SELECT id FROM workflow_executions")
    [(approval,)] = database.run("SELECT id FROM approval_requests")
    run = session.connection.execute
    run("UPDATE approval_requests SET status = 'approved'")
    run("UPDATE workflow_executions SET status = 'completed', result = 'blocked'")
    assert left(database) == [
        ("approval", execution, approval, "approved"),
        ("adopt", execution, None, None),
    ]
    assert database.run("SELECT status FROM workflow_executions") == [("paused",)]
    database.run(
        "INSERT INTO resumer.pauses (execution_id, number, reason) VALUES (%s, 1, 'x')", execution
    )
    run("UPDATE workflow_executions SET status = 'completed', result = 'blocked'")
    assert database.run("SELECT status FROM workflow_executions") == [("paused",)]
    assert [text for _, _, text in writer.warnings] == [writer.warnings[0][2]]
    assert "was rejected" in writer.warnings[0][2]


@pytest.mark.parametrize("vintage", ["v1"])
@pytest.mark.parametrize("words", [WORDS, "'running', 'waiting', 'approved'"], ids=["all", "few"])
def test_a_status_of_an_enum_fails_no_writer(  # P4
    database: Database, writer: Writer, session: Session, words: str
):
    """Few words: one that our triggers compare with is no value of the column."""
    few = words != WORDS
    database.run(f"CREATE TYPE word AS ENUM ({words})")
    pending = "waiting" if few else "pending"
    for table in ("workflow_executions", "approval_requests"):
        database.run(
            f"ALTER TABLE {table} ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE word"
            f" USING (CASE status WHEN 'pending' THEN '{pending}' ELSE status END)::word"
        )
    with guarded(database):
        session.writes()
    session.writes()
    assert writer.warnings == []
    session.connection.execute(
        "UPDATE approval_requests SET status = 'approved', approver_id = gen_random_uuid()"
    )
    assert [decision for *_, decision in left(database)] == ["approved"]
