"""Expiry dates: they fire by their timer, move when others move them, and yield to who decides."""

from typing import Any
from uuid import UUID

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask, block

TIMERS_ALONE: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "1h"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


def timers(service: Service, execution: UUID) -> list[str | None]:
    return [outcome for kind, _, outcome in service.requests(execution) if kind == "timeout"]


def move_expiry(service: Service, execution: UUID, seconds: float) -> None:
    service.database.run(
        "UPDATE approval_requests SET expires_at = clock_timestamp() AT TIME ZONE 'UTC'"
        " + make_interval(secs => %s) WHERE execution_id = %s",
        seconds,
        execution,
    )


def fire_timers(service: Service) -> None:
    """Age the timers rather than the clock, and wake the daemon that sleeps until they are due."""
    service.database.run(
        "UPDATE resumer.resume_requests SET due_at = statement_timestamp()"
        " WHERE kind = 'timeout' AND outcome IS NULL"
    )
    service.database.run("SELECT pg_notify('resumer_wake', '')")


def test_an_approval_expires_by_its_timer_alone_and_takes_its_way(
    service: Service, database: Database
):
    service.workflow(
        ask(timeout="300ms", on_timeout="escalate", on_false="refuse"),
        allow(),
        block(),
        allow("escalate"),
    )
    with running(database, **TIMERS_ALONE):
        execution = service.start()
        row = service.ended(execution)
    assert (row["result"], row["resume_count"]) == ("allowed", 1)
    assert row["resume_data"]["approval"]["decision"] == "expired"
    assert service.steps(execution) == ["ask", "escalate"]
    [(status, decided)] = database.run(
        "SELECT status, decided_at >= expires_at FROM approval_requests"
    )
    assert (status, decided) == ("expired", True)
    assert service.decisions(execution) == [("expired", "applied")]


@pytest.mark.parametrize(("on_false", "steps"), [("refuse", ["ask", "refuse"]), (None, ["ask"])])
def test_an_expiry_without_a_way_of_its_own_is_a_refusal(
    service: Service, daemon: Running, on_false: str | None, steps: list[str]
):
    service.workflow(ask(timeout="100ms", on_false=on_false), allow(), block())
    execution = service.start()
    assert service.ended(execution)["result"] == "blocked"
    assert service.steps(execution) == steps


def test_a_decision_in_time_makes_the_timer_void(service: Service, daemon: Running):
    service.workflow(ask(timeout="48h"), allow())
    execution = service.paused()
    assert timers(service, execution) == [None]
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    assert timers(service, execution) == ["superseded"]


def test_an_expiry_that_was_moved_later_waits_for_its_new_date(
    service: Service, database: Database
):
    service.workflow(ask(timeout="1h"), allow())
    with running(database, **TIMERS_ALONE):
        execution = service.paused()
        move_expiry(service, execution, 7200)
        fire_timers(service)
        eventually_sync(lambda: timers(service, execution) == ["applied", None])
        assert service.look(execution)["status"] == "paused"
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"


@pytest.mark.parametrize("seconds", [-60, 0.5])
def test_an_expiry_that_was_moved_earlier_fires_then(
    service: Service, daemon: Running, seconds: float
):
    service.workflow(ask(timeout="48h"), allow())
    execution = service.paused()
    move_expiry(service, execution, seconds)
    assert service.ended(execution)["resume_data"]["approval"]["decision"] == "expired"
    settled = timers(service, execution)
    assert settled
    assert set(settled) <= {"superseded", "applied"}


def test_an_expiry_that_another_program_adds_is_armed(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    assert timers(service, execution) == []
    move_expiry(service, execution, 0.5)
    assert service.ended(execution)["resume_data"]["approval"]["decision"] == "expired"


@pytest.mark.parametrize(("commits", "decision"), [(True, "approved"), (False, "expired")])
def test_an_expiry_leaves_the_word_to_whoever_holds_the_approval(
    service: Service, database: Database, commits: bool, decision: str
):
    service.workflow(ask(timeout="1h"), allow())
    with running(database):
        execution = service.paused()
    move_expiry(service, execution, -60)
    with database.connect() as person, person.transaction(force_rollback=not commits):
        person.execute(
            "UPDATE approval_requests SET status = 'approved' WHERE execution_id = %s", [execution]
        )
        with running(database):
            eventually_sync(lambda: len(timers(service, execution)) >= 2, of="it looked again")
            assert service.look(execution)["status"] == "paused"
    with running(database):
        row = service.ended(execution)
    assert row["resume_data"]["approval"]["decision"] == decision
    assert service.decisions(execution) == [(decision, "applied")]


def test_dates_are_read_and_written_in_the_service_s_zone(service: Service, database: Database):
    service.workflow(ask(timeout="1h"), allow())
    with running(database, service_timezone="America/New_York"):
        execution = service.paused()
        [(due,)] = database.run(
            "SELECT expires_at - now() AT TIME ZONE 'America/New_York'"
            " BETWEEN interval '59 minutes' AND interval '61 minutes' FROM approval_requests"
        )
        assert due
        database.run(
            "UPDATE approval_requests SET expires_at = now() AT TIME ZONE 'America/New_York'"
        )
        assert service.ended(execution)["resume_data"]["approval"]["decision"] == "expired"


@pytest.mark.parametrize("never", ["infinity", "20000-01-01", "9999-12-31 23:59:59"])
def test_a_date_beyond_all_clocks_never_comes(service: Service, daemon: Running, never: str):
    service.workflow(ask(timeout="1h"), allow())
    execution = service.paused()
    service.database.run("UPDATE approval_requests SET expires_at = %s::timestamp", never)
    fire_timers(service)
    eventually_sync(lambda: "applied" in timers(service, execution), of="the old timer fired")
    assert service.look(execution)["status"] == "paused"
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


@pytest.mark.parametrize("past", ["-infinity", "0044-03-15 BC", "0001-01-01", "1970-01-01"])
def test_a_date_of_long_ago_expires_at_once(service: Service, daemon: Running, past: str):
    service.workflow(ask(), allow())
    execution = service.paused()
    service.database.run("UPDATE approval_requests SET expires_at = %s::timestamp", past)
    assert service.ended(execution)["resume_data"]["approval"]["decision"] == "expired"


def test_a_strange_date_stops_nobody_else(service: Service, daemon: Running):
    service.workflow(ask(timeout="1h"), allow())
    executions = [service.paused() for _ in range(4)]
    dates = ("infinity", "-infinity", "0044-03-15 BC", "294276-12-31")
    for execution, date in zip(executions, dates, strict=True):
        service.database.run(
            "UPDATE approval_requests SET expires_at = %s::timestamp WHERE execution_id = %s",
            date,
            execution,
        )
    for execution in executions[1:3]:
        assert service.ended(execution)["resume_data"]["approval"]["decision"] == "expired"
    for execution in (executions[0], executions[3]):
        [request] = service.asked(execution)
        service.decide(request, "approved")
    results = [service.ended(execution)["result"] for execution in executions]
    assert results[0] == results[3] == "allowed"
    assert results[1] == results[2] == "blocked"
