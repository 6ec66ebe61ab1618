"""Executions of long ago that arrive as new rows are history: nobody resumes them unless asked."""

import json
from functools import partial
from io import StringIO
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.acceptance.test_commands import run
from tests.harness import Database, eventually_sync
from tests.harness.running import Running, running
from tests.harness.service import Service, Today, allow, ask, block

pytestmark = pytest.mark.parametrize("vintage", ["v1", "v5"])

OLD = "2024-03-01 10:00"

DEFERRED = "ALTER TABLE approval_requests DROP CONSTRAINT approval_requests_execution_id_fkey"
"""So that approvals can be copied first, as where a restore adds the constraints at its end."""


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def today(service: Service) -> Today:
    return Today(service)


@pytest.fixture
def workflow(service: Service) -> UUID:
    return service.workflow(ask(), allow(), block())


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


class History:
    """Rows of a dump: blocked executions, each with an approval of the same time."""

    def __init__(self, service: Service, workflow: UUID, ended: str = OLD) -> None:
        self.service, self.workflow, self.ended = service, workflow, ended
        self.executions: dict[UUID, str] = {}
        self.approvals: dict[UUID, tuple[UUID, str]] = {}

    def has(self, status: str) -> UUID:
        """Add an execution with an approval that has this status."""
        execution = uuid4()
        self.executions[execution] = f"appr_{uuid4().hex}"
        self.approvals[uuid4()] = (execution, status)
        return execution

    def arrives(self, connection: psycopg.Connection, *, first: str) -> None:
        """Copy both tables, as a data-only restore does in an order of its own."""
        copies = [self._copy_executions, self._copy_approvals]
        for copy in copies if first == "executions" else reversed(copies):
            copy(connection)

    def _copy_executions(self, connection: psycopg.Connection) -> None:
        names, owner = self._owner()
        lines = StringIO()
        for execution in self.executions:
            row = (
                execution,
                f"exec_{execution.hex}",
                self.workflow,
                "completed",
                "blocked",
                self.ended,
                self.ended,
            )
            lines.write("\t".join(map(str, (*row, *owner))) + "\n")
        self._copy(
            connection,
            "workflow_executions (id, execution_id, workflow_id, status, result, started_at,"
            f" completed_at{names})",
            lines.getvalue(),
        )

    def _copy_approvals(self, connection: psycopg.Connection) -> None:
        names, owner = self._owner()
        lines = StringIO()
        for approval, (execution, status) in self.approvals.items():
            row = (approval, self.executions[execution], execution, status)
            lines.write("\t".join(map(str, (*row, *owner))) + "\n")
        self._copy(
            connection,
            f"approval_requests (id, request_id, execution_id, status{names})",
            lines.getvalue(),
        )

    def _owner(self) -> tuple[str, tuple[object, ...]]:
        owner = self.service.owner
        return "".join(f", {name}" for name in owner), tuple(owner.values())

    @staticmethod
    def _copy(connection: psycopg.Connection, table: str, lines: str) -> None:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            copy.write(lines)


def is_settled(service: Service, execution: UUID) -> bool:
    requests = service.requests(execution)
    return bool(requests) and all(outcome is not None for _, _, outcome in requests)


def left_alone(service: Service, execution: UUID) -> None:
    assert service.standing(execution)[0] == "completed"
    assert service.look(execution)["result"] == "blocked"
    assert service.pause(execution) == {}


def relaxed(connection: psycopg.Connection) -> None:
    """Check no foreign keys and fire no triggers, as `pg_restore --disable-triggers` does."""
    connection.execute("SET session_replication_role = replica")


@pytest.mark.parametrize("first", ["executions", "approvals"])
def test_a_copy_of_old_executions_is_left_alone(
    service: Service, workflow: UUID, daemon: Running, database: Database, first: str
):  # P8
    history = History(service, workflow)
    statuses = ("approved", "pending", "rejected")
    executions = {status: history.has(status) for status in statuses}
    database.run(DEFERRED)
    with database.connect() as connection:
        history.arrives(connection, first=first)
    for execution in executions.values():
        eventually_sync(partial(is_settled, service, execution))
        left_alone(service, execution)
    # a decision that is written only now resumes as little
    late = executions["pending"]
    service.decide(history.executions[late], "approved")
    eventually_sync(lambda: service.decisions(late) == [("approved", "too_late")])
    left_alone(service, late)
    # nor does an approval that is asked for now
    service.approval(late, "pending")
    eventually_sync(lambda: service.requests(late)[-1] == ("adopt", "pending", "superseded"))
    left_alone(service, late)


def test_who_asks_for_old_executions_gets_them(
    service: Service, workflow: UUID, daemon: Running, database: Database
):  # P8
    history = History(service, workflow)
    approved, pending = history.has("approved"), history.has("pending")
    with database.connect() as connection:
        history.arrives(connection, first="executions")
    for execution in (approved, pending):
        eventually_sync(partial(is_settled, service, execution))
    said = json.loads(run(database.url, "adopt", "--since", "2024-01-01", "--yes", "--json"))
    assert {UUID(each["id"]) for each in said["executions"]} == {approved, pending}
    assert service.until(approved, "completed") is not None
    eventually_sync(lambda: service.look(approved)["result"] == "allowed")
    eventually_sync(lambda: service.standing(pending)[0] == "paused")
    again = json.loads(run(database.url, "adopt", "--since", "2024-01-01", "--yes", "--json"))
    assert again["executions"] == []


def test_a_restore_without_triggers_is_left_alone_by_the_reconciler(
    service: Service, today: Today, workflow: UUID, database: Database
):  # P8
    database.run("UPDATE resumer.control SET installed_at = '2023-01-01'")
    history = History(service, workflow)
    approved, pending = history.has("approved"), history.has("pending")
    with database.connect() as connection:
        relaxed(connection)
        history.arrives(connection, first="approvals")
        recent = today.running(workflow)
        today.blocks(recent, connection)
        today.asks(recent, connection)
    with running(database):
        eventually_sync(lambda: service.pause(recent))  # so the reconciler has looked at all
        service.decide(history.executions[pending], "approved")
        eventually_sync(lambda: service.decisions(pending) == [("approved", "too_late")])
        left_alone(service, pending)
        left_alone(service, approved)


@pytest.mark.parametrize("first", ["executions", "approvals"])
def test_a_copy_of_what_ended_within_the_day_is_adopted(
    service: Service, workflow: UUID, daemon: Running, database: Database, first: str
):  # P8
    [(ended,)] = database.run("SELECT (now() AT TIME ZONE 'UTC' - interval '20 hours')::text")
    history = History(service, workflow, ended=str(ended))
    approved, pending = history.has("approved"), history.has("pending")
    database.run(DEFERRED)
    with database.connect() as connection:
        history.arrives(connection, first=first)
    eventually_sync(lambda: service.look(approved)["result"] == "allowed")
    eventually_sync(lambda: service.pause(pending))
    service.decide(history.executions[pending], "approved")
    eventually_sync(lambda: service.look(pending)["result"] == "allowed")


def test_what_was_recent_when_it_was_written_is_adopted_however_late_a_daemon_comes(
    service: Service, today: Today, workflow: UUID, database: Database
):  # P8
    execution = today.running(workflow)
    today.blocks(execution)
    request = today.asks(execution)
    with database.connect() as connection:
        connection.execute("SET resumer.own = 'on'")
        connection.execute(
            "UPDATE workflow_executions SET completed_at = completed_at - interval '5 days'"
        )
    database.run(
        "UPDATE resumer.resume_requests"
        " SET requested_at = requested_at - interval '5 days', due_at = due_at - interval '5 days'"
    )
    with running(database):
        eventually_sync(lambda: service.pause(execution))
        service.decide(request, "approved")
        assert service.ended(execution)["result"] == "allowed"


def test_the_age_is_a_setting(service: Service, workflow: UUID, database: Database):  # P8
    [(ended,)] = database.run("SELECT (now() AT TIME ZONE 'UTC' - interval '20 hours')::text")
    history = History(service, workflow, ended=str(ended))
    execution = history.has("approved")
    with running(database, adopt_within="2h"):
        with database.connect() as connection:
            history.arrives(connection, first="executions")
        eventually_sync(lambda: is_settled(service, execution))
        left_alone(service, execution)
