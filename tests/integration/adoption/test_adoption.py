"""An execution that the service ends as blocked on an approval becomes a pause, and stays one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually_sync
from tests.harness.inbox import Writer, left
from tests.harness.running import Running, running
from tests.harness.service import CONTEXT, Service, Today, allow, ask, block

STEPS = (ask(on_false="refuse"), allow(), block())
TWICE = (ask("ask", on_true="second"), ask("second"), allow())

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def today(service: Service) -> Today:
    return Today(service)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


@pytest.fixture
def execution(service: Service, today: Today) -> UUID:
    return today.running(service.workflow(*STEPS))


def adopted(service: Service, execution: UUID) -> dict[str, object]:
    pause = eventually_sync(lambda: service.pause(execution))
    assert (pause["reason"], pause["step_id"]) == ("approval_required", "ask")
    return pause


def resumes(service: Service, execution: UUID, request: str) -> None:
    row = service.look(execution)
    assert (row["status"], row["result"], row["completed_at"]) == ("paused", None, None)
    assert row["duration_ms"] is None
    assert row["paused_at"] is not None
    service.decide(request, "approved")
    row = service.ended(execution)
    assert (row["status"], row["result"], row["resume_count"]) == ("completed", "allowed", 1)
    assert row["context"] == CONTEXT
    assert service.decisions(execution) == [("approved", "applied")]


@both_vintages
@pytest.mark.parametrize("first", ["asks", "blocks"])
def test_either_order_of_its_transactions_becomes_a_pause(
    service: Service, today: Today, execution: UUID, daemon: Running, first: str
):
    today.ran(execution, "ask")
    if first == "blocks":
        today.blocks(execution)
        request = today.asks(execution)
    else:
        request = today.asks(execution)
        today.blocks(execution)
    adopted(service, execution)
    resumes(service, execution, request)
    if service.database.vintage == "v1":
        assert service.pause(execution)["resumed_by"] == "approval"


@both_vintages
@pytest.mark.parametrize("first_to_commit", ["asks", "blocks"])
@pytest.mark.parametrize("first_to_write", ["asks", "blocks"])
def test_with_both_open_at_once_neither_sees_the_other(
    service: Service, today: Today, execution: UUID, daemon: Running, database: Database,
    first_to_write: str, first_to_commit: str,
):  # fmt: skip
    with database.connect() as asking, database.connect() as blocking:
        asking.execute("BEGIN")
        blocking.execute("BEGIN")
        if first_to_write == "blocks":
            today.blocks(execution, blocking)
            request = today.asks(execution, asking)
        else:
            request = today.asks(execution, asking)
            today.blocks(execution, blocking)
        order = [asking, blocking] if first_to_commit == "asks" else [blocking, asking]
        for connection in order:
            connection.execute("COMMIT")
    adopted(service, execution)
    resumes(service, execution, request)


@both_vintages
def test_two_serializable_writers_do_not_fail_for_our_reading(
    service: Service, today: Today, execution: UUID, daemon: Running, database: Database
):
    heard: list[str | None] = []
    with database.connect() as asking, database.connect() as blocking:
        for connection in (asking, blocking):
            connection.add_notice_handler(lambda said: heard.append(said.message_primary))
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            connection.execute("SELECT 1 FROM workflows")
        today.blocks(execution, blocking)
        request = today.asks(execution, asking)
        blocking.execute("COMMIT")
        asking.execute("COMMIT")
    assert heard == []
    adopted(service, execution)
    resumes(service, execution, request)


def test_where_an_approval_can_be_seen_the_write_itself_is_a_pause(
    service: Service, today: Today, execution: UUID
):
    today.asks(execution)
    today.blocks(execution)
    row = service.look(execution)
    assert (row["status"], row["result"], row["completed_at"]) == ("paused", None, None)
    assert row["paused_reason"] == "approval_required"
    assert row["context"] == CONTEXT


def test_the_pointers_are_written_where_they_can_be(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.asks(execution)
    today.blocks(execution)
    adopted(service, execution)
    row = service.look(execution)
    assert (row["paused_step_id"], row["next_step_id"]) == ("ask", "release")


def test_an_approval_that_is_born_decided_counts(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.ran(execution, "ask")
    today.blocks(execution)
    adopted(service, execution)
    today.asks(execution, status="rejected")
    assert service.ended(execution)["result"] == "blocked"
    assert service.steps(execution) == ["ask", "refuse"]


def test_born_decided_after_a_block_that_looked_plain_it_counts_too(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.blocks(execution)
    eventually_sync(lambda: service.requests(execution) == [("adopt", None, "superseded")])
    today.asks(execution, status="approved")
    eventually_sync(lambda: service.look(execution)["result"] == "allowed")
    assert service.decisions(execution) == [("approved", "applied")]


def test_a_decision_that_was_there_before_the_pause_is_kept_for_it(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    request = today.asks(execution)
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    today.blocks(execution)
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")]


def test_a_plain_block_stays_as_it_is(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.ran(execution, "refuse")
    today.blocks(execution)
    eventually_sync(lambda: service.requests(execution) == [("adopt", None, "superseded")])
    row = service.look(execution)
    assert (row["status"], row["result"], row["duration_ms"]) == ("completed", "blocked", 12)
    assert service.pause(execution) == {}


@both_vintages
@pytest.mark.parametrize("status", ["rejected", "approved", "pending"])
def test_a_plain_block_after_an_approval_is_an_end_again(
    service: Service, today: Today, execution: UUID, database: Database, status: str
):
    today.ran(execution, "refuse")
    today.asks(execution, status=status)
    today.blocks(execution)
    assert service.standing(execution) == ("paused", "approval_required")  # by the trigger
    with running(database):
        row = service.ended(execution)
    assert (row["status"], row["result"]) == ("completed", "blocked")
    assert (row["paused_at"], row["paused_reason"], row["context"]) == (None, None, CONTEXT)
    assert service.pause(execution) == {}
    assert service.steps(execution) == ["refuse"]


def test_a_step_that_asks_is_a_pause_although_nobody_was_asked_yet(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.ran(execution, "ask")
    today.blocks(execution)
    adopted(service, execution)


def test_where_two_steps_could_have_asked_a_person_has_to_say_which(
    service: Service, today: Today, daemon: Running, database: Database
):
    execution = today.running(service.workflow(*TWICE))
    request = today.asks(execution)
    today.blocks(execution)
    service.until(execution, "paused")
    pause = eventually_sync(lambda: service.pause(execution))
    assert pause["incident"]["cause"] == "pause_without_pointer"
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    database.run("SELECT resumer.retry(%s)", execution)
    eventually_sync(lambda: ("retry", None, "failed") in service.requests(execution))
    database.run(
        "UPDATE workflow_executions SET paused_step_id = 'second' WHERE id = %s", execution
    )
    database.run("SELECT resumer.retry(%s)", execution)
    assert service.ended(execution)["result"] == "allowed"
    assert service.steps(execution) == ["release"]
    assert service.decisions(execution) == [("approved", "applied")]


@both_vintages
def test_our_own_end_after_a_rejection_is_left_alone(
    service: Service, today: Today, execution: UUID, daemon: Running
):
    request = today.asks(execution)
    today.blocks(execution)
    adopted(service, execution)
    service.decide(request, "rejected")
    row = service.ended(execution)
    assert (row["status"], row["result"]) == ("completed", "blocked")
    today.asks(execution)
    eventually_sync(lambda: service.requests(execution)[-1] == ("adopt", "pending", "superseded"))
    assert service.look(execution) == row


@both_vintages
def test_a_block_of_an_execution_that_we_began_is_never_a_pause(
    service: Service, today: Today, daemon: Running
):
    service.workflow(block("ask"))
    execution = service.start()
    service.ended(execution)
    today.asks(execution)
    eventually_sync(lambda: service.requests(execution)[-1] == ("adopt", "pending", "superseded"))
    assert service.look(execution)["result"] == "blocked"


@both_vintages
def test_a_block_of_an_execution_that_we_are_to_begin_is_never_a_pause(
    service: Service, today: Today
):
    service.workflow(ask(), allow())
    execution = service.start()
    today.asks(execution)
    today.blocks(execution)
    assert service.standing(execution)[0] == "completed"


BLIND = [
    ("completed", "blocked"),
    ("completed", "allowed"),
    ("running", None),
    ("failed", "failed"),
]


@both_vintages
@pytest.mark.parametrize(("status", "result"), BLIND)
def test_a_blind_write_over_a_pause_changes_nothing_and_is_counted(
    service: Service, today: Today, execution: UUID, daemon: Running, status: str,
    result: str | None,
):  # fmt: skip
    request = today.asks(execution)
    today.blocks(execution)
    adopted(service, execution)
    row = service.look(execution)
    today.writes(execution, status=status, result=result, context=Jsonb({"stale": True}))
    assert service.look(execution) == row
    eventually_sync(lambda: daemon.metric("resumer_rejected_writes_total") == 1)
    resumes(service, execution, request)


@pytest.mark.parametrize(("status", "result"), BLIND[1:])
def test_a_blind_write_over_our_end_changes_nothing(
    service: Service, today: Today, execution: UUID, daemon: Running, status: str,
    result: str | None,
):  # fmt: skip
    request = today.asks(execution)
    today.blocks(execution)
    adopted(service, execution)
    service.decide(request, "rejected")
    row = service.ended(execution)
    today.writes(execution, status=status, result=result)
    assert service.look(execution) == row
    eventually_sync(lambda: daemon.metric("resumer_rejected_writes_total") == 1)


@both_vintages
def test_a_cancel_of_the_service_ends_the_pause_and_its_timers(
    service: Service, today: Today, execution: UUID, daemon: Running, database: Database
):
    request = today.asks(execution)
    database.run("UPDATE approval_requests SET expires_at = now() + interval '1 day'")
    today.blocks(execution)
    adopted(service, execution)
    today.writes(execution, status="cancelled")
    service.ended(execution)
    assert service.look(execution)["status"] == "cancelled"
    assert service.pause(execution)["resumed_by"] == "cancelled"
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])


def test_who_must_can(service: Service, today: Today, execution: UUID, daemon: Running):
    today.asks(execution)
    today.blocks(execution)
    adopted(service, execution)
    with service.database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL resumer.own = 'on'")
        today.writes(execution, connection, status="failed")
    assert service.look(execution)["status"] == "failed"


def test_the_service_cannot_complete_what_runs_under_a_lease(
    service: Service, today: Today, execution: UUID, database: Database
):
    database.run(
        "INSERT INTO resumer.leases (execution_id, epoch, lease_until)"
        " VALUES (%s, 1, now() + interval '1 hour')",
        execution,
    )
    today.writes(execution, status="completed", result="allowed")
    assert service.look(execution)["status"] == "running"
    today.writes(execution, status="failed", result="failed")
    assert service.look(execution)["status"] == "failed"


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_it_may_complete_its_own_as_ever(
    service: Service, today: Today, execution: UUID, writer: Writer
):
    allow_it = "UPDATE workflow_executions SET status = 'completed', result = 'allowed'"
    writer.run(f"{allow_it} WHERE id = %s", execution)
    assert service.look(execution)["result"] == "allowed"
    writer.run("UPDATE workflow_executions SET status = 'failed' WHERE id = %s", execution)
    assert service.look(execution)["status"] == "failed"
    assert (writer.warnings, left(service.database)) == ([], [])


def test_a_writer_without_rights_on_ours_gets_no_error(
    service: Service, today: Today, execution: UUID, writer: Writer, database: Database
):
    today.asks(execution)
    database.run("DELETE FROM resumer.resume_requests")
    writer.run(
        "UPDATE workflow_executions SET status = 'completed', result = 'blocked' WHERE id = %s",
        execution,
    )
    assert service.look(execution)["status"] == "paused"
    assert left(database) == [("adopt", execution, None, None)]
    assert writer.warnings == []


def test_a_table_of_ours_that_is_locked_or_gone_fails_no_writer(
    service: Service, today: Today, execution: UUID, writer: Writer, database: Database
):
    today.asks(execution)
    blocks = "UPDATE workflow_executions SET status = 'completed', result = 'blocked' WHERE id = %s"
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.leases, resumer.resume_requests")
        writer.run(blocks, execution)
    assert service.look(execution)["status"] == "completed"
    assert {level for level, *_ in writer.warnings} == {"WARNING"}
    database.run("ALTER TABLE resumer.pauses RENAME TO gone")
    writer.run("UPDATE workflow_executions SET status = 'running' WHERE id = %s", execution)
    assert service.look(execution)["status"] == "running"


def silently(database: Database, write: Callable[[Any], object]) -> None:
    """Write as a replica does: no trigger fires."""
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        write(connection)


def blocked_under_a_lock(today: Today, execution: UUID) -> str:
    with today.service.database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.resume_requests IN SHARE MODE")
        today.blocks(execution)
        return today.asks(execution)


def blocked_as_a_replica(today: Today, execution: UUID) -> str:
    asked: list[str] = []

    def write(connection: Any) -> None:
        today.blocks(execution, connection)
        asked.append(today.asks(execution, connection))

    silently(today.service.database, write)
    return asked[0]


def blocked_without_triggers(today: Today, execution: UUID) -> str:
    database = today.service.database
    for table in ("workflow_executions", "approval_requests"):
        database.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    today.blocks(execution)
    request = today.asks(execution)
    for table in ("workflow_executions", "approval_requests"):
        database.run(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        if table == "approval_requests":
            database.run(f"ALTER TABLE {table} DISABLE TRIGGER resumer_approval_guard")
    return request


OUTAGES = [blocked_under_a_lock, blocked_as_a_replica, blocked_without_triggers]


@both_vintages
@pytest.mark.parametrize("outage", OUTAGES)
def test_block_that_no_trigger_saw_is_found_and_becomes_a_pause(  # C44
    service: Service, today: Today, execution: UUID, daemon: Running, outage
):
    resumes_after(outage, service, today, execution)


def resumes_after(outage, service: Service, today: Today, execution: UUID) -> None:
    request = outage(today, execution)
    adopted(service, execution)
    resumes(service, execution, request)


@both_vintages
@pytest.mark.parametrize("outage", OUTAGES)
def test_decision_that_comes_before_the_block_is_found_resumes_it(  # C44
    service: Service, today: Today, execution: UUID, database: Database, outage
):
    service.decide(outage(today, execution), "approved")
    with running(database, reconcile_interval="1h", poll_interval="200ms"):
        eventually_sync(lambda: service.look(execution)["result"] == "allowed")
        assert service.decisions(execution) == [("approved", "applied")]


@both_vintages
def test_block_and_decision_that_no_trigger_saw_are_found(  # C44
    service: Service, today: Today, execution: UUID, database: Database
):
    request = blocked_as_a_replica(today, execution)
    silently(
        database,
        lambda connection: connection.execute(
            "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [request]
        ),
    )
    with running(database):
        eventually_sync(lambda: service.look(execution)["result"] == "allowed")
        assert service.decisions(execution) == [("approved", "applied")]


@both_vintages
def test_decision_that_no_trigger_saw_is_found_although_the_block_was_seen(  # C44
    service: Service, today: Today, execution: UUID, database: Database
):
    with running(database):
        today.blocks(execution)
        eventually_sync(lambda: service.requests(execution) == [("adopt", None, "superseded")])
        silently(database, lambda connection: today.asks(execution, connection, "approved"))
        eventually_sync(lambda: service.look(execution)["result"] == "allowed")
        assert service.decisions(execution) == [("approved", "applied")]


@both_vintages
@pytest.mark.parametrize("ended", ["2026-01-31 09:30", "-infinity", None])
def test_history_from_before_the_installation_is_left_alone(  # C44
    service: Service, today: Today, database: Database, ended: str | None
):
    execution = today.running(
        service.workflow(*STEPS), status="completed", result="blocked", completed_at=ended,
        started_at=ended,
    )  # fmt: skip
    database.run("DELETE FROM resumer.resume_requests")
    request = today.asks(execution)
    database.run("DELETE FROM resumer.resume_requests")
    other = today.running(service.workflow(*STEPS, name="other"))
    with running(database):
        blocked_as_a_replica(today, other)
        adopted(service, other)  # so that the reconciler has looked
        service.decide(request, "approved")
        eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])
    assert service.standing(execution)[0] == "completed"
    assert service.pause(execution) == {}


@both_vintages
def test_plain_block_that_no_trigger_saw_stays_as_it_is(  # C44
    service: Service, today: Today, execution: UUID, daemon: Running
):
    today.ran(execution, "refuse")
    request = blocked_as_a_replica(today, execution)
    eventually_sync(lambda: service.requests(execution) == [("adopt", "missed", "superseded")])
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])
    assert service.look(execution)["result"] == "blocked"


def moved(database: Database, request: str, execution: UUID) -> None:
    database.run(
        "UPDATE approval_requests SET execution_id = %s WHERE request_id = %s", execution, request
    )


@both_vintages
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("decision", ["approved", "rejected", "expired"])
def test_approval_that_was_applied_and_is_moved_counts_nowhere_else(  # C40
    service: Service, daemon: Running, database: Database, decision: str, seen: bool
):
    service.workflow(*STEPS)
    one, other = service.paused(), service.paused()
    [request], [own] = service.asked(one), service.asked(other)
    service.decide(request, decision)
    row = service.ended(one)
    if seen:
        moved(database, request, other)
        eventually_sync(lambda: service.decisions(other) == [(decision, "duplicate")])
        [(why,)] = database.run(
            "SELECT reason FROM resumer.ledger WHERE outcome = 'duplicate' AND kind = 'approval'"
        )
        assert why == "applied to another execution"
    else:
        silently(
            database,
            lambda connection: connection.execute(
                "UPDATE approval_requests SET execution_id = %s WHERE request_id = %s",
                [other, request],
            ),
        )
        eventually_sync(lambda: service.decisions(other) == [(decision, "duplicate")])
    assert service.standing(other) == ("paused", "approval_required")
    service.decide(own, "approved")
    assert service.ended(other)["result"] == "allowed"
    assert service.look(one) == row


@both_vintages
def test_approval_that_is_moved_before_it_is_decided_counts_where_it_is(  # C40
    service: Service, daemon: Running, database: Database
):
    service.workflow(*STEPS)
    one, other = service.paused(), service.paused()
    [request] = service.asked(one)
    moved(database, request, other)
    eventually_sync(lambda: service.decisions(one) == [("deleted", "superseded")])
    service.decide(request, "rejected")
    assert service.ended(other)["result"] == "blocked"
    assert service.standing(one) == ("paused", "approval_required")
    assert ("rejected", "applied") in service.decisions(other)
    moved(database, request, one)
    eventually_sync(lambda: service.decisions(one)[-1] == ("rejected", "duplicate"))
    assert service.standing(one) == ("paused", "approval_required")
    service.approval(one, "approved")
    assert service.ended(one)["result"] == "allowed"
