"""Definitions, statuses and approvals that make no sense: named for what they are, and no crash."""

import random
import socket
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask

STEP = {"id": "ask", "type": "action", "action": "allow"}
NO_DEFINITIONS: dict[str, Any] = {
    "a text": "approve everything",
    "a list": [STEP],
    "a number": 7,
    "steps that are an object": {"steps": {"ask": STEP}},
    "a step that is no object": {"steps": [STEP, "release"]},
    "a step without an id": {"steps": [{"type": "action", "action": "allow"}]},
    "an id that is a number": {"steps": [{**STEP, "id": 1}]},
    "an empty id": {"steps": [{**STEP, "id": ""}]},
    "an id of 256 characters": {"steps": [{**STEP, "id": "x" * 256}]},
    "the same id twice": {"steps": [STEP, STEP]},
}
NO_DECISIONS = (
    " Approved ", "APPROVED", "Approved", "approved ", " approved", "approved\n", "approve", "yes",
    "true", "1", "", " ", "null", "NULL", "None", "PENDING", "Pending", "pending ", "Rejected",
    "REJECTED", "Expired", "denied", "ok", "\u0430pproved", "approved\u200b", "approved\u0301",
    "\U0001f44d", "'; DROP TABLE approval_requests; --", "%s", "%(status)s", "{{approved}}",
    "${approved}", "\\u0000", "x" * 50, "[approved]", '{"status": "approved"}', "approved,rejected",
)  # fmt: skip


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


@pytest.mark.parametrize("name", NO_DEFINITIONS)
def test_a_definition_that_is_none_fails_the_start_with_no_step(
    service: Service, daemon: Running, name: str
):
    service.workflow(definition=NO_DEFINITIONS[name])
    execution = service.start()
    row = service.ended(execution)
    assert (row["status"], row["result"], row["resume_count"]) == ("failed", "failed", 0)
    assert row["error_message"]
    assert service.steps(execution) == []


@pytest.mark.parametrize(
    "text", ['{"steps": [' + "9" * 5_000 + "]}", '{"a":' * 3_000 + "1" + "}" * 3_000]
)
def test_a_definition_that_cannot_be_read_fails_the_start(
    service: Service, daemon: Running, text: str
):
    service.workflow(definition={})
    service.database.run("UPDATE workflows SET definition = %s::jsonb", text)
    row = service.ended(service.start())
    assert row["status"] == "failed"
    assert row["error_message"]


@pytest.mark.parametrize(
    "damage",
    ["UPDATE resumer.definitions SET body = '[]'", "DELETE FROM resumer.definitions"],
)
def test_a_kept_definition_that_is_damaged_makes_the_resume_an_incident(
    service: Service, database: Database, damage: str
):
    service.workflow(ask(), allow())
    with running(database):
        execution = service.paused()
    with database.connect() as person:
        person.execute(damage.encode())
    with running(database) as daemon:
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: service.pause(execution)["incident"])
        assert daemon.metric("resumer_incidents_total", cause="definition_unreadable") >= 1
    row = service.look(execution)
    assert (row["status"], row["paused_reason"]) == ("paused", "incident")
    assert service.pause(execution)["incident"]["cause"] == "definition_unreadable"
    assert service.decisions(execution) == [("approved", "held")]


def test_a_way_to_a_step_that_does_not_exist_fails_when_it_is_taken(
    service: Service, daemon: Running
):
    service.workflow(ask(on_true="ship"), allow())
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    row = service.ended(execution)
    assert (row["status"], row["result"], row["error_message"]) == (
        "failed",
        "failed",
        "step not found: ship",
    )
    assert service.decisions(execution) == [("approved", "applied")]


def test_a_step_that_is_not_understood_fails_when_it_is_reached(service: Service, daemon: Running):
    service.workflow(ask(on_true="odd"), {"id": "odd", "type": "teleport"}, allow())
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["status"] == "failed"
    assert service.steps(execution) == ["ask", "odd!"]


@every_vintage
def test_only_an_exact_word_decides_and_every_other_is_counted(service: Service, daemon: Running):
    chance = random.Random(2026)  # noqa: S311
    drawn = ["".join(chance.choices("apROVed \t\u00e9\u4e2d", k=9)) for _ in range(13)]
    odd = [*NO_DECISIONS, *drawn]
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    for status in odd:
        service.decide(request, status)
    eventually_sync(lambda: service.decisions(execution) == [(s, "unrecognised") for s in odd])
    assert service.look(execution)["status"] == "paused"
    eventually_sync(lambda: daemon.metric("resumer_unrecognised_decisions_total") == len(odd))
    service.decide(request, "approved")
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution)[-1] == ("approved", "applied")


def test_a_status_that_is_null_decides_nothing(service: Service, daemon: Running):
    service.database.run("ALTER TABLE approval_requests ALTER status DROP NOT NULL")
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    service.database.run("UPDATE approval_requests SET status = NULL")
    eventually_sync(lambda: service.decisions(execution) == [(None, "unrecognised")])
    service.decide(request, "rejected")
    assert service.ended(execution)["result"] == "blocked"


def test_an_inserted_status_that_is_no_word_decides_nothing(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    service.approval(execution, "Approved")
    eventually_sync(lambda: service.decisions(execution) == [("Approved", "unrecognised")])
    assert service.look(execution)["status"] == "paused"


@pytest.mark.parametrize("vintage", ["empty", "v1"])
def test_a_decision_without_an_execution_is_an_orphan(service: Service, daemon: Running):
    service.approval(None, "approved")
    service.decide(service.approval(None, "pending"), "rejected")
    settled = "SELECT decision, outcome FROM resumer.requests ORDER BY id"
    eventually_sync(
        lambda: service.database.run(settled) == [("approved", "orphan"), ("rejected", "orphan")]
    )
    assert daemon.metric("resumer_oldest_open_request_age_seconds") == 0


def test_an_event_for_an_execution_that_is_gone_is_an_orphan(service: Service, daemon: Running):
    service.database.run(
        "INSERT INTO resumer.resume_requests (execution_id, kind) VALUES (%s, 'event')", uuid4()
    )
    settled = "SELECT kind, outcome FROM resumer.requests"
    eventually_sync(lambda: service.database.run(settled) == [("event", "orphan")])


def test_what_has_no_beginning_has_no_duration(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    service.database.run("UPDATE workflow_executions SET started_at = NULL")
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["duration_ms"] is None


def test_a_decision_for_an_ended_execution_is_too_late(service: Service, daemon: Running):
    service.workflow(allow())
    execution = service.start()
    service.ended(execution)
    service.approval(execution, "rejected")
    service.decide(service.approval(execution, "pending"), "approved")
    eventually_sync(
        lambda: service.decisions(execution) == [("rejected", "too_late"), ("approved", "too_late")]
    )
    assert service.look(execution)["result"] == "allowed"


def test_a_decision_that_flips_after_the_resume_is_late_and_the_same_again_a_duplicate(
    service: Service, daemon: Running
):
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    service.decide(request, "approved")
    before = service.ended(execution)
    for status in ("rejected", "expired", "pending", "approved"):
        service.decide(request, status)
    eventually_sync(
        lambda: service.decisions(execution)
        == [("approved", "applied"), ("rejected", "late"), ("expired", "late"),
            ("approved", "duplicate")]
    )  # fmt: skip
    assert service.look(execution) == before
    assert service.steps(execution) == ["ask", "release"]


def test_a_decision_for_a_running_execution_waits_and_is_too_late_at_its_end(
    service: Service, daemon: Running
):
    workflow = service.workflow(ask(), allow())
    execution = foreign(service, workflow, "running")
    service.approval(execution, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    service.database.run("UPDATE workflow_executions SET status = 'failed'")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])


def test_a_decision_that_waits_for_a_webhook_is_looked_at_when_the_webhook_is_over(
    service: Service,
):
    held = "SELECT outcome FROM resumer.requests WHERE decision = 'approved'"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        send = {"type": "webhook", "url": f"http://localhost:{nobody.getsockname()[1]}/"}
        retry = {"max_attempts": 2, "initial_delay": "2s"}
        service.workflow({"id": "send", "type": "execute", "execute": [send], "retry": retry})
        with running(service.database, reconcile_interval="1h", http_allow="localhost"):
            execution = service.start()
            eventually_sync(lambda: service.look(execution)["status"] == "running")
            service.approval(execution, "approved")
            eventually_sync(lambda: service.database.run(held) == [("held",)])
            eventually_sync(lambda: service.decisions(execution) == [("approved", "too_late")])


def test_an_execution_that_is_deleted_while_paused_leaves_nothing_open(
    service: Service, daemon: Running
):
    service.workflow(ask(timeout="48h"), allow())
    decided, forgotten = service.paused(), service.paused()
    with service.database.connect() as other, other.transaction():
        other.execute(
            "UPDATE approval_requests SET status = 'approved' WHERE execution_id = %s", [decided]
        )
        other.execute("DELETE FROM workflows")
    for execution in (decided, forgotten):
        eventually_sync(lambda e=execution: service.pause(e)["resumed_by"] == "vanished")  # type: ignore[misc]
    gone = ("deleted", "vanished")
    eventually_sync(lambda: service.decisions(decided) == [("approved", "vanished"), gone])
    eventually_sync(lambda: service.decisions(forgotten) == [gone])
    open_ones = "SELECT kind, due_at FROM resumer.requests WHERE outcome IS NULL"
    eventually_sync(lambda: service.database.run(open_ones) == [], of="the timers are settled too")


def foreign(service: Service, workflow: UUID, status: str) -> UUID:
    return service.insert(
        "workflow_executions", workflow_id=workflow, execution_id="exec_foreign", status=status
    )
