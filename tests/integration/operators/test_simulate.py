"""`simulate EXECUTION`: it tells what a daemon then does, and leaves no trace."""

import asyncio
import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from resumer_daemon.cli.app import app
from resumer_daemon.store import commands
from resumer_daemon.store.queries import read_snapshot
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, every_vintage
from tests.harness.running import running
from tests.harness.service import Service, allow, ask, block

PAYLOAD = {"order": {"id": "A-1", "total": 12000}}
IS_LARGE = {
    "id": "is_large",
    "type": "condition",
    "condition": {"field": "order.total", "operator": "gt", "value": 10000},
    "on_true": "ask",
    "on_false": "release",
}
STEPS = (IS_LARGE, ask(on_false="refuse", timeout="48h"), allow(), block())


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def simulate(service: Service, execution: UUID | str, *arguments: str) -> Result:
    command = ["simulate", str(execution), "--database-url", service.database.url, *arguments]
    return CliRunner().invoke(app, command)


def told(service: Service, execution: UUID | str, *arguments: str) -> dict[str, Any]:
    result = simulate(service, execution, "--json", *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def paused(service: Service, *steps: Any, payload: Any = PAYLOAD) -> UUID:
    service.workflow(*(steps or STEPS))
    with running(service.database):
        return service.paused(payload=payload)


def everything(database: Database) -> dict[str, Any]:
    """Return every row of every table."""
    tables = database.run(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'resumer')"
    )
    query = sql.SQL("SELECT coalesce(json_agg(t ORDER BY t::text), '[]') FROM {} t")
    with database.connect() as connection:
        return {
            f"{schema}.{table}": connection.execute(
                query.format(sql.Identifier(schema, table))
            ).fetchone()
            for schema, table in tables
        }


def steps(document: dict[str, Any]) -> list[str]:
    return [step["step"] for stretch in document["stretches"] for step in stretch["steps"]]


@every_vintage
@pytest.mark.parametrize("verdict", ["approved", "rejected"])
def test_it_tells_what_the_daemon_does_and_writes_nothing(service: Service, verdict: str) -> None:
    execution = paused(service)
    before = everything(service.database)
    document = told(service, execution, "--decision", verdict)
    assert everything(service.database) == before
    assert document["from"]["asked"][0]["role"] == "manager"
    [request] = service.asked(execution)
    with running(service.database):
        service.decide(request, verdict)
        ended = service.ended(execution)
    stop = document["stretches"][-1]["stop"]
    assert (stop["status"], stop["result"]) == (ended["status"], ended["result"])
    assert steps(document) == service.steps(execution)[2:]


def test_an_expiry_is_told_as_it_would_come(service: Service) -> None:
    [stretch] = told(service, paused(service), "--decision", "expired")["stretches"]
    assert [step["step"] for step in stretch["steps"]] == ["refuse"]


def test_a_write_is_refused_by_the_server(database: Database) -> None:
    Service(database).workflow(*STEPS)

    async def write() -> None:
        session = await Store(database.url).session()
        async with session.connection, read_snapshot(session):
            await commands.start(session, "flow", {})

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        asyncio.run(write())


def test_an_execution_is_found_by_its_key_too(service: Service) -> None:
    execution = paused(service)
    key = service.look(execution)["execution_id"]
    assert told(service, key)["execution"] == key
    result = simulate(service, key)
    assert f"{key} of flow is paused at ask: approval_required" in result.stdout
    assert "waits for manager (appr_" in result.stdout


def test_an_execution_that_does_not_exist_is_refused(service: Service) -> None:
    result = simulate(service, "exec_none", "--decision", "approved")
    assert (result.exit_code, "no execution 'exec_none'" in result.stderr) == (1, True)


def test_it_runs_on_the_copy_that_it_paused_with(service: Service) -> None:
    execution = paused(service)
    service.database.run("""UPDATE workflows SET definition = '{"steps": []}'""")
    assert steps(told(service, execution, "--decision", "approved")) == ["release"]


def test_an_execution_that_waits_for_its_daemon_starts(service: Service) -> None:
    service.workflow(*STEPS)
    document = told(service, service.start(payload=PAYLOAD), "--decision", "r")
    assert document["from"] == {"status": "pending"}
    assert steps(document) == ["is_large", "ask", "refuse"]
    assert document["stretches"][0]["steps"][0]["comparisons"][0]["actual"] == 12000


def test_an_execution_that_has_ended_says_so(service: Service) -> None:
    service.workflow(allow())
    with running(service.database):
        execution = service.start()
        service.ended(execution)
    assert told(service, execution)["from"] == {"status": "completed", "result": "allowed"}
    result = simulate(service, execution, "--decision", "approved")
    assert (result.exit_code, "nothing waited for: approved" in result.stdout) == (1, True)


def test_what_was_decided_while_no_daemon_ran_comes_first(service: Service) -> None:
    execution = paused(service)
    service.decide(service.asked(execution)[0], "rejected", reason="no")
    assert steps(told(service, execution)) == ["refuse"]
    assert simulate(service, execution, "--decision", "approved").exit_code == 1


def test_an_event_must_be_the_one_that_is_waited_for(service: Service) -> None:
    wait = {"id": "w", "type": "wait", "event": "paid", "match": {"order.id": "{{order.id}}"}}
    execution = paused(service, wait, allow())
    event = ("--event", "paid", "--payload")
    assert steps(told(service, execution, *event, '{"order": {"id": "A-1"}}')) == ["release"]
    other = simulate(service, execution, *event, '{"order": {"id": "A-2"}}')
    assert (other.exit_code, "nothing waited for: event paid" in other.stdout) == (1, True)


@every_vintage
def test_rules_are_asked_as_they_are_now(service: Service) -> None:
    service.insert(
        "rules", rule_id="large", name="large", rule_type="condition",
        definition=psycopg.types.json.Jsonb({"conditions": [IS_LARGE["condition"]]}),
    )  # fmt: skip
    rule = {"id": "is_large", "type": "condition", "rule_id": "large", "on_true": "release"}
    service.workflow(rule, allow())
    document = told(service, service.start(payload=PAYLOAD))
    assert steps(document) == ["is_large", "release"]
    assert document["stretches"][0]["steps"][0]["comparisons"][0]["actual"] == 12000


def test_an_incident_is_told_with_its_remedy(service: Service) -> None:
    execution = paused(service, {**allow("again"), "next": "again"})
    result = simulate(service, execution)
    assert result.exit_code == 0
    assert "is paused at again: incident" in result.stdout
    assert "has taken 1000 steps without a pause; correct" in result.stdout
    assert simulate(service, execution, "--decision", "approved").exit_code == 1


def test_a_copy_that_cannot_be_read_is_refused(service: Service) -> None:
    execution = paused(service)
    service.database.run("""UPDATE resumer.definitions SET body = '[]'""")
    result = simulate(service, execution, "--decision", "approved")
    assert (result.exit_code, "definition refused" in result.stderr) == (1, True)


def test_another_programs_pause_is_taken_over_in_thought(service: Service) -> None:
    workflow = service.workflow(*STEPS)
    context = psycopg.types.json.Jsonb(PAYLOAD)
    execution = service.insert(
        "workflow_executions", execution_id="exec_other", workflow_id=workflow, status="paused",
        context=context, paused_step_id="ask", next_step_id="release", paused_reason="approval",
    )  # fmt: skip
    document = told(service, execution, "--decision", "approved")
    assert document["from"]["step"] == "ask"
    assert steps(document) == ["release"]
