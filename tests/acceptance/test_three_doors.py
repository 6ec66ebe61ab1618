"""SQL, the command line and HTTP are doors to the same rows: one story, the same at each."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from tests.harness import Database, eventually_sync
from tests.harness.client import ACTOR, Client, Command, Door, Holders, Http, Refused, Sql
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask, insert

DOORS: dict[str, Callable[[Database, Running], Door]] = {
    "sql": lambda database, _: Sql(database),
    "command": lambda database, _: Command(database),
    "http": lambda database, daemon: Http(
        Client(daemon.address, Holders.of(database).token(name=ACTOR.removeprefix("token:")))
    ),
}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture(params=DOORS)
def door(service: Service, request: pytest.FixtureRequest) -> Iterator[Door]:
    # the daemon is of this process: what it logs must not get among what a command prints
    with capture_logs(), running(service.database, http_rate_limit=10_000) as daemon:
        yield DOORS[request.param](service.database, daemon)


def stands(door: Door, execution: UUID, status: str, **expected: Any) -> None:
    """Wait until an execution stands so, by what the door itself tells."""

    def standing() -> bool:
        told = door.status(execution)
        return told["status"] == status and expected.items() <= told.items()

    eventually_sync(standing, of=f"{status} {expected}: {door.status(execution)}")


def codes(door: Door, execution: UUID) -> list[str]:
    return [reason["code"] for reason in door.explain(execution)["reasons"]]


def moves(service: Service, execution: UUID) -> list[tuple[Any, ...]]:
    return service.database.run(
        "SELECT kind, actor, reason, outcome FROM resumer.requests"
        " WHERE execution_id = %s AND kind IN ('pause', 'manual', 'retry', 'cancel') ORDER BY id",
        execution,
    )


@pytest.mark.parametrize("vintage", ["empty", "v5"])
def test_an_execution_is_held_decided_meanwhile_explained_and_resumed(service: Service, door: Door):
    execution = service.paused()
    [request] = service.asked(execution)
    assert codes(door, execution) == ["approval_missing"]
    door.ask("pause", execution, "stock count")
    stands(door, execution, "paused", paused_reason="manual")
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    stands(door, execution, "paused", paused_reason="manual")
    told = door.explain(execution)
    held = next(reason for reason in told["reasons"] if reason["code"] == "manually_paused")
    assert f"Paused manually by {ACTOR}" in held["sentence"]
    assert "stock count" in held["sentence"]
    door.ask("resume", execution, "counted")
    stands(door, execution, "completed", result="allowed")
    assert service.steps(execution) == ["ask", "release"]
    assert [(k, a, r) for k, a, r, _ in moves(service, execution)] == [
        ("pause", ACTOR, "stock count"),
        ("manual", ACTOR, "counted"),
    ]
    assert codes(door, execution)[0] == "completed"


def test_an_approval_is_gone_past_by_force_alone(service: Service, door: Door):
    execution = service.paused()
    with pytest.raises(Refused, match="needs force"):
        door.ask("resume", execution, "in a hurry")
    with pytest.raises(Refused, match="needs force"):
        door.ask("resume", execution, None, force=True)
    with pytest.raises(Refused, match="needs the number of the pause"):
        door.ask("resume", execution, "by phone", force=True)
    seen = door.explain(execution)["pause_number"]
    door.ask("resume", execution, "by phone", force=True, pause_number=seen)
    stands(door, execution, "completed", result="allowed")
    assert moves(service, execution) == [("manual", ACTOR, "by phone", "applied")]


def test_of_two_who_force_a_gate_the_second_does_not_open_the_next(service: Service, door: Door):
    service.workflow(ask("g1", on_true="g2"), ask("g2"), allow(), name="two_gates")
    execution = service.paused("two_gates")
    seen = [door.explain(execution)["pause_number"] for _ in range(2)]
    door.ask("resume", execution, "urgent", force=True, pause_number=seen[0])
    eventually_sync(lambda: service.pause(execution)["number"] == 2)
    with pytest.raises(Refused, match=r"is now at pause 2, not at pause 1\. Explain it again"):
        door.ask("resume", execution, "urgent", force=True, pause_number=seen[1])
    assert service.standing(execution) == ("paused", "approval_required")
    assert service.steps(execution) == ["g1", "g2"]
    assert moves(service, execution) == [("manual", ACTOR, "urgent", "applied")]
    again = door.explain(execution)["pause_number"]
    door.ask("resume", execution, "looked at", force=True, pause_number=again)
    stands(door, execution, "completed", result="allowed")


def test_a_retry_is_for_the_incident_that_was_looked_at(service: Service, door: Door):
    execution = service.incident()
    with pytest.raises(Refused, match="is now at pause 1, not at pause 7"):
        door.ask("retry", execution, "mended", pause_number=7)
    door.ask("retry", execution, "mended", pause_number=1)
    eventually_sync(lambda: moves(service, execution) == [("retry", ACTOR, "mended", "applied")])
    eventually_sync(lambda: service.pause(execution)["number"] == 2)
    with pytest.raises(Refused, match="is now at pause 2, not at pause 1"):
        door.ask("retry", execution, "mended", pause_number=1)


def test_a_cancelled_execution_is_moved_by_nothing_any_more(service: Service, door: Door):
    execution = service.paused()
    [request] = service.asked(execution)
    door.ask("cancel", execution, "ordered twice")
    stands(door, execution, "cancelled", result=None)
    assert codes(door, execution)[0] == "cancelled"
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])
    for move in ("pause", "resume", "cancel", "retry"):
        with pytest.raises(Refused):
            door.ask(move, execution, "again")
    assert moves(service, execution) == [("cancel", ACTOR, "ordered twice", "applied")]


def paused_by_another_program(service: Service) -> UUID:
    """Write an execution with an approval that is given, and a pointer that leads nowhere."""
    [(workflow,)] = service.database.run("SELECT id FROM workflows")
    asked = {"request_id": "appr_0001", "status": "approved"}
    paused = {
        "workflow_id": workflow,
        "execution_id": "exec_0001",
        "status": "paused",
        "paused_step_id": "nowhere",
    }
    with service.database.connect() as connection, connection.transaction():
        execution = insert(connection, "workflow_executions", paused)
        insert(connection, "approval_requests", {"execution_id": execution, **asked})
    second_look = (
        "UPDATE resumer.resume_requests SET due_at = now() WHERE decision = 'second_look' RETURNING"
        " pg_notify('resumer_wake', '')"
    )
    eventually_sync(lambda: service.database.run(second_look))
    return execution


def test_an_incident_is_retried_once_it_is_mended(service: Service, door: Door):
    execution = paused_by_another_program(service)
    stands(door, execution, "paused", paused_reason="incident")
    assert codes(door, execution)[0] == "incident"
    with pytest.raises(Refused, match="incident"):
        door.ask("resume", execution, "I say so")
    service.database.run("UPDATE workflow_executions SET paused_step_id = 'ask'")
    door.ask("retry", execution, "pointer written")
    stands(door, execution, "completed", result="allowed")
    with pytest.raises(Refused, match="no incident"):
        door.ask("retry", execution, "again")
    assert moves(service, execution) == [("retry", ACTOR, "pointer written", "applied")]


def test_what_is_not_there_is_refused(door: Door):
    for look in (door.status, door.explain):
        with pytest.raises(Refused, match="no execution"):
            look(uuid4())
    for move in ("pause", "cancel"):
        with pytest.raises(Refused, match="no execution"):
            door.ask(move, uuid4(), "why not")
