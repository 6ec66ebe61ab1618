"""A turn that fails is repeated in halves: one execution alone is set apart, all others move."""

from uuid import UUID

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

OTHERS = 20


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def paused(service: Service) -> tuple[UUID, list[UUID]]:
    """Pause a batch of executions, with no daemon running after it."""
    with running(service.database):
        first, *others = [service.start() for _ in range(1 + OTHERS)]
        for execution in (first, *others):
            service.until(execution, "paused")
    return first, others


def fails_the_turn(service: Service, execution: UUID, code: str) -> None:
    """Let each turn fail that ends this execution, with an error that no row is blamed for."""
    service.database.run(
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'as the server says it' USING ERRCODE = '{code}'; END $$"
    )
    when_it_ends(service, execution)


def when_it_ends(service: Service, execution: UUID) -> None:
    service.database.run(
        "CREATE TRIGGER mine BEFORE UPDATE ON workflow_executions FOR EACH ROW"
        f" WHEN (new.id = '{execution}' AND new.status = 'completed') EXECUTE FUNCTION mine()"
    )


def is_incident(service: Service, execution: UUID, cause: str) -> bool:
    incident = service.pause(execution).get("incident") or {}
    return service.standing(execution) == ("paused", "incident") and incident.get("cause") == cause


# C30
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("57014", "turn_timeout"),
        ("25P03", "turn_timeout"),
        ("53200", "too_large"),
        ("XX001", "row_unreadable"),
        ("42501", "turn_failed"),
    ],
)
def test_an_execution_with_which_no_turn_can_finish_is_an_incident_and_the_others_go_on(
    service: Service, code: str, cause: str
):
    first, others = paused(service)
    fails_the_turn(service, first, code)
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database) as daemon:
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, cause))
        eventually_sync(
            lambda: daemon.metric("resumer_executions_isolated_total", cause=cause) == 1
        )
        assert service.decisions(first) == [("approved", "held")]
        after = service.paused()
        service.decide(service.asked(after)[0], "approved")
        assert service.ended(after)["result"] == "allowed"
        eventually_sync(daemon.ready)
        service.database.run("DROP TRIGGER mine ON workflow_executions")
        service.database.run("SELECT resumer.retry(%s, 'me', 'mended')", first)
        assert service.ended(first)["result"] == "allowed"
    assert service.decisions(first) == [("approved", "applied")]


BROKEN = (
    "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog"
    " AS $$ BEGIN PERFORM notes_of(new.id); RETURN new; END $$"
)
"""A function of the service that finds nothing on its own path."""


def test_an_execution_that_breaks_a_function_of_the_service_is_an_incident_though_nothing_moves(
    service: Service,
):  # P7
    with running(service.database):
        first = service.paused()
    service.database.run(BROKEN)
    when_it_ends(service, first)
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database):
        eventually_sync(lambda: is_incident(service, first, "turn_failed"))
        service.database.run("DROP TRIGGER mine ON workflow_executions")
        service.database.run("SELECT resumer.retry(%s, 'me', 'mended')", first)
        assert service.ended(first)["result"] == "allowed"


def test_where_not_even_the_incident_can_be_written_the_requests_are_given_up(service: Service):
    first, others = paused(service)  # P7
    service.database.run(BROKEN)
    service.database.run(
        "CREATE TRIGGER mine BEFORE UPDATE ON workflow_executions FOR EACH ROW"
        f" WHEN (old.id = '{first}') EXECUTE FUNCTION mine()"
    )
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database) as daemon:
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: service.decisions(first) == [("approved", "failed")])
        assert service.standing(first) == ("paused", "approval_required")
        eventually_sync(daemon.ready)


# C30
def test_an_execution_that_loses_the_connection_of_each_of_its_turns_is_an_incident(
    service: Service,
):
    first, others = paused(service)
    service.database.run(
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$"
    )
    when_it_ends(service, first)
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database):
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, "turn_failed"))


# C30
def test_an_execution_whose_reading_fails_is_set_apart_without_being_read(service: Service):
    first, others = paused(service)
    database = service.database
    service.workflow(allow(), name="another")
    database.run("SELECT resumer.hold('another', 'me', 'so that holds are looked for')")
    database.run("ALTER FUNCTION resumer.hold_of(uuid) RENAME TO hold_of_all")
    database.run(
        "CREATE FUNCTION resumer.hold_of(execution uuid) RETURNS SETOF resumer.holds"
        " LANGUAGE plpgsql AS $$ BEGIN"
        f" IF execution = '{first}' THEN RAISE query_canceled; END IF; RETURN; END $$"
    )
    database.run("GRANT EXECUTE ON FUNCTION resumer.hold_of(uuid) TO PUBLIC")
    database.run("UPDATE approval_requests SET status = 'approved'")
    with running(database):
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, "turn_timeout"))
    assert service.decisions(first) == [("approved", "held")]


# C30
def test_an_execution_that_is_in_the_way_of_a_lock_waits_for_it_and_is_no_incident(
    service: Service,
):
    first, others = paused(service)
    fails_the_turn(service, first, "55P03")
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database) as daemon:
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: daemon.metric("resumer_batches_failed_total") > 8)
        assert service.standing(first) == ("paused", "approval_required")
        service.database.run("DROP TRIGGER mine ON workflow_executions")
        assert service.ended(first)["result"] == "allowed"


# C30
@pytest.mark.parametrize("error", ["insufficient_privilege", "undefined_function"])
def test_where_every_turn_fails_no_execution_is_at_fault(service: Service, error: str):
    first, others = paused(service)
    service.database.run(
        f"CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE {error}; END $$"
    )
    service.database.run(
        "CREATE TRIGGER mine BEFORE INSERT ON step_executions FOR EACH ROW EXECUTE FUNCTION mine()"
    )
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database) as daemon:
        eventually_sync(lambda: daemon.metric("resumer_batches_failed_total") > 30)
        service.database.run("DROP TRIGGER mine ON step_executions")
        for execution in (first, *others):
            assert service.ended(execution)["result"] == "allowed"
        assert daemon.metric("resumer_executions_isolated_total") == 0
