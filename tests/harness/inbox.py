"""Writes of other programs that our triggers capture, and what they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic

from tests.harness.database import Database
from tests.harness.eventually import patient

Left = tuple[str, UUID | None, UUID | None, str | None]
Warned = tuple[str, str, str]


def left(database: Database) -> list[Left]:
    """Return what was left there, oldest first: kind, execution, source, decision."""
    return [
        (kind, execution, source, decision)
        for kind, execution, source, decision in database.run(
            "SELECT kind, execution_id, source_id, decision FROM ("
            " SELECT id, kind, execution_id, source_id, decision FROM resumer.requests"
            " UNION ALL SELECT id, 'event', NULL, event_id, NULL FROM resumer.event_queue"
            ") AS r ORDER BY id"
        )
    ]


def awaited(database: Database, event_type: str) -> None:
    """Have the events of a type captured, as the first pause does that may wait for them."""
    database.run(
        "INSERT INTO resumer.event_types (event_type, since, complete) VALUES (%s, now(), true)",
        event_type,
    )


class Ear:
    """Listens as the daemon does, and counts what it hears."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("LISTEN resumer_wake")

    def heard(self) -> int:
        """Return how many notifications were committed since the last call.

        They arrive in the order of their commits: our own, sent now, is behind all of them.
        """
        end = str(uuid4())
        self._connection.execute("SELECT pg_notify('resumer_wake', %s)", [end])
        for before, note in enumerate(self._connection.notifies(timeout=patient(20.0))):
            if note.payload == end:
                return before
            assert note.payload == "", "the payload is constant, so that many are one"
        raise AssertionError("our own notification did not come back")


@contextmanager
def listening(database: Database) -> Iterator[Ear]:
    """Listen for as long as the block lasts."""
    with database.connect() as connection:
        yield Ear(connection)


@dataclass(slots=True)
class Writer:
    """A program that may write the service's tables and knows nothing of ours.

    `warnings` are the severity, the SQLSTATE and the text of each notice that it got.
    """

    database: Database
    role: str
    warnings: list[Warned] = field(default_factory=list)

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection in autocommit, bounded: a statement that waits for us fails."""
        connection = self.database.connect(options="-c statement_timeout=60s")
        connection.execute(
            sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(self.role))
        )
        connection.add_notice_handler(self._warned)
        return connection

    def _warned(self, said: Diagnostic) -> None:
        # read now: it does not outlive the handler
        self.warnings.append(
            (said.severity_nonlocalized or "", said.sqlstate or "", said.message_primary or "")
        )

    def run(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement in a session of its own, and return its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def a_writer(database: Database) -> Iterator[Writer]:
    """Make a role for as long as the block lasts."""
    role = f"writer_{token_hex(6)}"
    with database.connect() as connection:

        def as_owner(statement: LiteralString) -> None:
            connection.execute(sql.SQL(statement).format(sql.Identifier(role)))

        as_owner("CREATE ROLE {}")
        try:
            as_owner("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}")
            yield Writer(database, role)
        finally:
            as_owner("DROP OWNED BY {}")
            as_owner("DROP ROLE {}")


FILL: LiteralString = """
INSERT INTO workflow_executions (execution_id, status, result)
SELECT kind || n,
  CASE kind WHEN 'leased' THEN 'running' WHEN 'ended' THEN 'completed' ELSE kind END,
  CASE kind WHEN 'ended' THEN 'allowed' END
FROM generate_series(%s + 1, %s) AS n, unnest('{running,leased,paused,ended}'::text[]) AS kind
"""
OURS: tuple[LiteralString, ...] = (
    "INSERT INTO approval_requests (request_id, execution_id, status)"
    " SELECT e.execution_id, e.id, 'pending' FROM workflow_executions e"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO resumer.pauses (execution_id, number, reason, resumed_at)"
    " SELECT id, 1, 'approval_required', CASE status WHEN 'paused' THEN NULL ELSE now() END"
    " FROM workflow_executions WHERE status <> 'running' ON CONFLICT DO NOTHING",
    "INSERT INTO resumer.leases (execution_id, epoch, lease_until)"
    " SELECT id, 1, 'infinity' FROM workflow_executions WHERE execution_id LIKE 'leased%'"
    " ON CONFLICT DO NOTHING",
    "DELETE FROM resumer.resume_requests",
    "UPDATE resumer.control SET event_capture = 'all'",
)

UPDATE = "UPDATE workflow_executions SET"
THOSE = "FROM workflow_executions WHERE execution_id LIKE"

# each kind of write that our triggers have work with, and of which executions
WRITES: dict[str, tuple[str, str]] = {
    "paused": (f"{UPDATE} status = 'paused' WHERE execution_id LIKE", "running"),
    "blocked": (
        f"{UPDATE} status = 'completed', result = 'blocked' WHERE execution_id LIKE",
        "running",
    ),
    "cancelled": (f"{UPDATE} status = 'cancelled' WHERE execution_id LIKE", "paused"),
    "refused over a pause": (f"{UPDATE} status = 'failed' WHERE execution_id LIKE", "paused"),
    "refused over an end": (f"{UPDATE} status = 'failed' WHERE execution_id LIKE", "ended"),
    "refused over a lease": (f"{UPDATE} context = '{{}}' WHERE execution_id LIKE", "leased"),
    "said": (
        f"{UPDATE} resume_data = '{{\"approved\": true}}' WHERE execution_id LIKE",
        "paused",
    ),
    "decided": ("UPDATE approval_requests SET status = 'approved' WHERE request_id LIKE", "paused"),
    "moved": (
        "UPDATE approval_requests SET execution_id = (SELECT min(id::text)::uuid"
        " FROM workflow_executions) WHERE request_id LIKE",
        "paused",
    ),
    "deleted": ("DELETE FROM approval_requests WHERE request_id LIKE", "paused"),
    "asked": (
        "INSERT INTO approval_requests (request_id, execution_id, status)"
        f" SELECT execution_id || ' again', id, 'pending' {THOSE}",
        "paused",
    ),
    "inserted": (
        "INSERT INTO workflow_executions (execution_id, status)"
        f" SELECT execution_id || ' again', 'paused' {THOSE}",
        "paused",
    ),
    "emitted": (
        "INSERT INTO events (event_id, event_type, payload)"
        f" SELECT execution_id, 'paid', '{{}}' {THOSE}",
        "paused",
    ),
}


def written(write: str, which: str = "%") -> str:
    statement, kind = WRITES[write]
    return f"{statement} '{kind}{which}'"


def fill(connection: psycopg.Connection[Any], after: int, to: int) -> None:
    """Write executions that the service runs, that we run, that we have paused, and ended."""
    connection.execute("SET session_replication_role = replica")
    connection.execute(FILL, [after, to])
    for statement in OURS:
        connection.execute(statement)
    connection.execute("RESET session_replication_role")
