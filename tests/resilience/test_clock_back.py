"""The server's clock goes back, as after a failover to a host that is behind: only timers wait."""

from typing import Any, LiteralString
from uuid import UUID

import pytest

from tests.harness import Database
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

# what a request looks like that was made before the clock went back an hour
BEFORE: LiteralString = (
    "UPDATE resumer.resume_requests SET due_at = due_at + interval '1 hour',"
    " requested_at = requested_at + interval '1 hour' WHERE outcome IS NULL AND kind <> 'timeout'"
)
NOBODY_LOOKS: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "1h"}
WAIT = {"id": "wait", "type": "wait", "wait": {"event": "paid"}, "next": "release"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def decided(service: Service) -> UUID:
    """Return an execution that was decided an hour ahead of the clock, and waits for a daemon."""
    service.workflow(ask(timeout="4h"), allow())
    with running(service.database):
        execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    service.database.run(BEFORE)
    return execution


def emit_unseen(database: Database) -> None:
    """Write an event that no trigger sees."""
    with database.connect() as silently, silently.transaction():
        silently.execute("SET LOCAL session_replication_role = replica")
        silently.execute("SELECT resumer.emit('paid')")


# C34
def test_a_decision_of_before_moves_as_soon_as_a_daemon_connects(
    service: Service, database: Database
):
    execution = decided(service)
    with running(database, **NOBODY_LOOKS):
        assert service.ended(execution)["result"] == "allowed"


# C34
@pytest.mark.parametrize("kind", ["start", "event", "cancel"])
def test_what_is_no_timer_moves_though_its_time_is_to_come(
    service: Service, database: Database, kind: str
):
    service.workflow(WAIT, allow())
    with running(database):
        execution = service.paused()
    match kind:
        case "start":
            execution = service.start()
        case "event":
            database.run("SELECT resumer.emit('paid')")
        case "cancel":
            database.run("SELECT resumer.cancel(%s, 'mia', 'no more')", execution)
    database.run(BEFORE)
    became = {"start": "paused", "event": "completed", "cancel": "cancelled"}
    with running(database, **NOBODY_LOOKS):
        service.until(execution, became[kind])


# C34
def test_a_decision_of_before_moves_while_a_daemon_runs(service: Service, database: Database):
    service.workflow(ask(), allow())
    with running(database, **NOBODY_LOOKS):
        execution = service.paused()
        [request] = service.asked(execution)
        with database.connect() as writer, writer.transaction():
            writer.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [request]
            )
            writer.execute(BEFORE)
        assert service.ended(execution)["result"] == "allowed"


# C34
def test_timers_wait_for_their_time_though_the_clock_went_back(
    service: Service, database: Database
):
    service.workflow(ask(timeout="4h"), allow())
    with running(database):
        execution = service.paused()
    with running(database):
        [(due,)] = database.run(
            "SELECT due_at > now() + interval '3 hours' FROM resumer.requests"
            " WHERE kind = 'timeout' AND execution_id = %s",
            execution,
        )
    assert due


# C34
def test_what_a_dead_daemon_left_is_taken_over_though_the_clock_went_back(
    service: Service, database: Database
):
    """Its lease keeps its length; its last sign of life is not in the future."""
    execution = service.insert(
        "workflow_executions", execution_id="e", status="running", context="{}"
    )
    database.run("INSERT INTO resumer.definitions (sha256, body) VALUES ('d', '{\"steps\": []}')")
    database.run(
        "INSERT INTO resumer.leases"
        " (execution_id, epoch, lease_until, recorded_at, state, definition)"
        " VALUES (%s, 1, now() + interval '1 hour 200 ms', now() + interval '1 hour',"
        " '{\"v\": 1, \"step\": null}', 'd')",
        execution,
    )
    with running(database):
        assert service.ended(execution)["status"] == "completed"


# C34: an event that no trigger saw is compared with the time from which its wait counts
@pytest.mark.parametrize("waits", ["before", "afterwards"])
def test_a_missed_event_ends_a_wait_of_an_execution_that_started_before_the_clock_went_back(
    service: Service, database: Database, waits: str
):
    service.workflow(WAIT, allow())
    if waits == "before":
        with running(database):
            execution = service.paused()
        database.run("UPDATE resumer.event_waits SET since = since + interval '1 hour'")
        database.run("SELECT resumer.cancel(%s, 'mia', 'no more')", service.start())
    else:
        execution = service.start()
    database.run(BEFORE)
    with running(database):
        service.until(execution, "paused")
        emit_unseen(database)
        assert service.ended(execution)["result"] == "allowed"


# C34: such an event may have come before the wait was recorded
def test_an_event_missed_before_the_wait_counts_though_the_clock_went_back(
    service: Service, database: Database
):
    service.workflow({**ask(timeout="4h"), "on_true": "wait"}, WAIT, allow())
    execution = service.start()
    database.run(BEFORE)
    with running(database):
        service.until(execution, "paused")
        emit_unseen(database)
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"


# C34: a daemon parks what comes beside an effect, and looks at it again when the execution pauses
@pytest.mark.parametrize("hours", [0, 1])
@pytest.mark.parametrize("kind", ["event", "manual"])
def test_what_was_parked_counts_whether_or_not_the_clock_went_back(
    service: Service, database: Database, kind: str, hours: int
):
    service.workflow(WAIT, allow())
    with running(database):
        execution = service.paused()
        database.run(
            "INSERT INTO resumer.resume_requests"
            " (execution_id, kind, source_id, decision, pause_number, payload, outcome, due_at)"
            " VALUES (%s, %s, CASE WHEN %s THEN gen_random_uuid() END, 'paid', 1, '{}', 'held',"
            " now() + %s * interval '1 hour')",
            execution,
            kind,
            kind == "event",
            hours,
        )
        database.run(
            "INSERT INTO resumer.resume_requests (execution_id, kind) VALUES (%s, 'adopt')",
            execution,
        )
        assert service.ended(execution)["result"] == "allowed"
