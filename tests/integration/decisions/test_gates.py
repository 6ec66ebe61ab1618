"""Gates that are not understood: the execution stops for a person, and nobody is asked less."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.acceptance.test_commands import run
from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service, allow, block

ANNA, BERT = UUID(int=1), UUID(int=2)

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])


@pytest.fixture
def service(database: Database):
    with running(database):
        yield Service(database)


def correct(service: Service, *steps: object) -> None:
    """Write other steps into the definition of the workflow."""
    service.database.run(
        "UPDATE workflows SET definition = jsonb_build_object('steps', %s::jsonb)",
        Jsonb(list(steps)),
    )


@pytest.mark.parametrize("requires", [
    {"rolle": "cfo", "aprovals": 3, "timeoutt": "1h"}, {"groups": ["finance"]}, {"roles": "cfo"},
    {"approvals": "3"}, {"type": "aproval"}, ["cfo"],
])  # fmt: skip
def test_a_gate_that_is_not_understood_asks_nobody(service: Service, requires: object):  # C8
    ask = {"id": "ask", "type": "require_approval", "requires": requires, "on_error": "release"}
    service.workflow(ask, allow())
    execution = service.paused()
    assert service.standing(execution) == ("paused", "incident")
    assert service.asked(execution) == []
    assert service.steps(execution) == []
    assert service.pause(execution)["incident"]["cause"] == "gate_not_understood"


@pytest.mark.parametrize("ask", [
    {"type": "execute", "execute": [
        {"type": "create_approval_request", "entity": "quote", "approver_rol": "cfo"}]},
    {"type": "action", "action": "block", "metadata": {"approval_required": True, "role": "cfo"}},
    {"type": "require_approval", "aprovals": 3},
])  # fmt: skip
def test_an_approval_that_would_be_weaker_than_written_asks_nobody(service: Service, ask: Any):
    # C8
    service.workflow({"id": "ask", **ask, "on_error": "release"}, allow())
    execution = service.paused()
    assert service.standing(execution) == ("paused", "incident")
    assert service.asked(execution) == []
    assert service.pause(execution)["incident"]["cause"] == "gate_not_understood"


def test_a_wait_that_is_not_understood_waits_for_a_person(service: Service):  # C8
    wait = {"id": "wait", "type": "wait", "wait": {"event": "paid", "filter": {"field": "event.x"}}}
    service.workflow(wait, allow())
    execution = service.paused()
    service.database.run("SELECT resumer.emit('paid')")
    assert service.standing(execution) == ("paused", "incident")
    assert "wait.filter: unknown key" in service.pause(execution)["incident"]["detail"]


def test_a_retry_takes_the_corrected_gate(service: Service):  # C8
    first = {"id": "first", "type": "execute", "execute": [{"type": "log"}], "next": "ask"}
    ask = {"id": "ask", "type": "require_approval", "requires": {"rolle": "cfo"}}
    service.workflow(first, ask, allow())
    execution = service.paused()
    correct(service, first, ask | {"requires": {"role": "cfo"}}, allow())
    service.database.run("SELECT resumer.retry(%s, 'mia', 'corrected')", execution)
    service.until(execution, "paused")
    eventually_sync(lambda: service.standing(execution) == ("paused", "approval_required"))
    assert service.database.run("SELECT approver_role FROM approval_requests") == [("cfo",)]
    service.decide(service.asked(execution)[0], "approved", BERT)
    assert service.ended(execution)["result"] == "allowed"
    assert service.steps(execution) == ["first", "ask", "release"]


def test_a_timeout_that_is_no_duration_starts_nothing(service: Service):  # C9
    service.workflow(definition={"timeout": "3 days", "steps": [allow()]})
    row = service.ended(service.start())
    assert row["status"] == "failed"
    assert row["error_message"].startswith("$.timeout: expected a duration such as")
    assert service.steps(row["id"]) == []


def test_the_timeout_of_an_approval_step_expires_it(service: Service):  # C10
    ask = {"id": "ask", "type": "require_approval", "timeout": "300ms", "on_timeout": "refuse",
           "requires": {"role": "boss"}}  # fmt: skip
    service.workflow(ask, allow(), block())
    execution = service.start()
    assert service.ended(execution)["result"] == "blocked"
    assert service.steps(execution) == ["ask", "refuse"]
    assert service.decisions(execution) == [("expired", "applied")]


@both_vintages
@pytest.mark.parametrize("column", [True, False], ids=["recorded", "no column"])
def test_the_guard_refuses_the_requester(database: Database, column: bool):  # C6
    if not column:
        database.run("ALTER TABLE approval_requests DROP COLUMN requester_id CASCADE")
    run(database.url, "migrate", "up", decision_guard="enforce")
    service = Service(database)
    asks = {"type": "create_approval_request", "entity": "quote", "approver_role": "cfo",
            "requester_id": "{{requester.id}}"}  # fmt: skip
    service.workflow({"id": "ask", "type": "require_approval", "execute": [asks]}, allow())
    with running(database, decision_guard="enforce"):
        execution = service.paused(payload={"requester": {"id": str(ANNA)}})
        [request] = service.asked(execution)
        with pytest.raises(psycopg.Error) as refused:
            service.decide(request, "approved", ANNA if column else None)
        assert refused.value.sqlstate == "RZ403"
        service.decide(request, "approved", BERT)
        assert service.ended(execution)["result"] == "allowed"
