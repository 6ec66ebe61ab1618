"""The ledger: a row for each decision, trimmed where the settings say so."""

from uuid import uuid4

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.inbox import awaited
from tests.harness.running import by_hand, running
from tests.harness.service import Service, allow, ask, block

KEPT = "SELECT execution_id, kind FROM resumer.requests ORDER BY id"
OLD = "UPDATE resumer.settled_requests SET requested_at = requested_at - interval '2 hours', "
OLD += "finished_at = finished_at - interval '2 hours'"
CAPTURED = "SELECT (SELECT count(*) FROM resumer.captured_events), count(*) FROM resumer.event_keys"


async def trim(database: Database, limit: int = 1_000) -> None:
    """Let a lap erase what is kept for an hour."""
    async with by_hand(database, ledger_retention="1h") as hand:
        for table in ("requests", "events"):
            await hand.lap(f"old_{table}", limit=limit)


async def test_what_was_settled_long_ago_goes_when_its_execution_has_ended(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        ended, standing = service.paused(), service.paused()
        service.decide(service.asked(ended)[0], "approved")
        service.ended(ended)
    database.run(OLD)
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL resumer.own = 'on'")
        connection.execute(
            "UPDATE workflow_executions SET completed_at = completed_at - interval '2 hours'"
        )
    recent = service.start()
    await trim(database)
    assert database.run(KEPT) == [(standing, "start"), (recent, "start")]


async def test_an_event_is_remembered_for_as_long_as_it_could_be_found_again(database: Database):
    awaited(database, "paid")
    with running(database):
        database.run("SELECT resumer.emit('paid')")
        queued = "SELECT count(*) FROM resumer.event_queue"
        eventually_sync(lambda: database.run(queued) == [(0,)])
    for age, kept in (("2 hours", (1, 2)), ("2 days", (0, 0))):
        database.run("UPDATE resumer.captured_events SET captured_at = now() - %s::interval", age)
        await trim(database)
        assert database.run(CAPTURED) == [kept]


async def test_what_is_open_or_held_stays_however_old_it_is(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    execution = service.start()
    service.approval(execution, "approved")
    database.run("UPDATE resumer.resume_requests SET requested_at = now() - interval '2 hours'")
    database.run("UPDATE resumer.resume_requests SET outcome = 'held' WHERE kind = 'approval'")
    database.run("UPDATE workflow_executions SET status = 'completed'")
    await trim(database)
    assert database.run(KEPT) == [(execution, "start"), (execution, "approval")]


async def test_it_walks_in_slices(database: Database):
    database.run(
        "INSERT INTO resumer.settled_requests"
        " (id, execution_id, kind, outcome, due_at, requested_at, finished_at)"
        " SELECT n, gen_random_uuid(), 'event', 'vanished', now(), now(),"
        " now() - make_interval(hours => n % 2 * 2) FROM generate_series(1, 35) AS n"
    )
    await trim(database, limit=10)
    assert database.run("SELECT count(*) FROM resumer.requests") == [(17,)]


@pytest.mark.parametrize("vintage", ["v1", "v5"])
@pytest.mark.parametrize("seen", [True, False], ids=["by the trigger", "by the reconciler"])
def test_ledger_names_the_approver_of_each_decision(  # C11
    database: Database, vintage: str, seen: bool
):
    service, chair = Service(database), uuid4()
    service.workflow(ask(on_true="again"), ask("again"), allow())
    with running(database):
        execution = service.paused()
        [first] = service.asked(execution)
        with database.connect() as connection, connection.transaction():
            if not seen:
                connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(
                "UPDATE approval_requests SET status = 'approved', approver_id = %s"
                " WHERE request_id = %s",
                [chair, first],
            )
        eventually_sync(lambda: service.asked(execution) not in ([], [first]))
        [second] = service.asked(execution)
        database.run(
            "UPDATE approval_requests SET approver_id = %s WHERE status = 'pending'", chair
        )
        service.decide(second, "expired")
        service.ended(execution)
    ledger = "SELECT decision, actor FROM resumer.ledger WHERE kind = 'approval' ORDER BY request"
    assert database.run(ledger) == [("approved", str(chair)), ("expired", None)]


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_each_decision_that_no_trigger_saw_has_a_row_also_one_that_was_overtaken(  # C47
    database: Database, vintage: str
):
    service = Service(database)
    service.workflow(ask(on_false="refuse", roles=["legal", "finance"]), allow(), block())
    with running(database, reconcile_interval="1h"):
        execution = service.paused()
        first, second = service.asked(execution)
        with database.connect() as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [first]
            )
        service.decide(second, "rejected")
        service.ended(execution)
    assert sorted(service.decisions(execution), key=str) == [
        ("approved", "superseded"), ("rejected", "applied"),
    ]  # fmt: skip


def test_a_cancel_leaves_a_row_of_a_decision_that_no_trigger_saw(database: Database):  # C47
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, reconcile_interval="1h"):
        execution = service.paused()
        with database.connect() as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("UPDATE approval_requests SET status = 'approved'")
        database.run("SELECT resumer.cancel(%s)", execution)
        service.ended(execution)
    assert service.decisions(execution) == [("approved", "superseded")]


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_no_step_ends_after_its_execution(database: Database, vintage: str):  # C47
    service = Service(database)
    service.workflow(ask(), {"id": "note", "type": "action", "action": "log"}, allow())
    with running(database):
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        service.ended(execution)
    late = database.run(
        "SELECT s.step_id FROM step_executions s"
        " JOIN workflow_executions e ON e.id = s.execution_id WHERE s.completed_at > e.completed_at"
    )
    assert late == []
