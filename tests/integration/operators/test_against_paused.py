"""`check-definition --against-paused`: whom a changed definition would strand."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from resumer_daemon.cli.app import app
from tests.harness import Database, every_vintage
from tests.harness.running import running
from tests.harness.service import Service, allow, ask, block

ABOUT = {"workflow_id": "flow", "version": "2", "name": "Flow", "trigger": {"type": "manual"}}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def compare(database: Database, tmp_path: Path):
    def compared(*steps: Any, arguments: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "flow.json"
        file.write_text(json.dumps({**ABOUT, "steps": steps}))
        options = ["--against-paused", "--database-url", database.url, *arguments]
        return CliRunner().invoke(app, ["check-definition", *options, str(file)])

    return compared


def paused(service: Service, count: int = 1) -> list[UUID]:
    service.workflow(ask(on_false="refuse"), allow(), block())
    with running(service.database):
        return [service.paused() for _ in range(count)]


@every_vintage
def test_a_pause_whose_step_is_gone_is_listed(service: Service, compare) -> None:
    keys = [service.look(execution)["execution_id"] for execution in paused(service, 2)]
    result = compare(ask("check", on_false="refuse"), allow(), block())
    assert result.exit_code == 0, result.output
    assert "paused executions of flow: 2, 2 of them at a place" in result.stdout
    assert f"no step ask: 2 of version 1 ({', '.join(keys)})" in result.stdout
    assert "continue with the copy of the definition from their pause" in result.stdout


def test_a_way_that_is_gone_is_named(service: Service, compare) -> None:
    paused(service)
    result = compare(ask(on_false="release"), allow(), arguments=("--json",))
    [checked] = json.loads(result.stdout)
    assert checked["paused"] == 1
    assert checked["stranded"][0]["missing"] == ["no step refuse (next after rejected)"]
    assert checked["stranded"][0]["goes_on_with"] == "kept copy"


def test_a_definition_that_has_the_place_strands_nobody(service: Service, compare) -> None:
    paused(service)
    result = compare(ask(on_false="refuse"), allow(), block(), allow("more"))
    assert result.exit_code == 0
    assert "paused executions of flow: 1, 0 of them at a place" in result.stdout


def test_another_workflow_is_not_compared(service: Service, compare) -> None:
    paused(service)
    service.database.run("UPDATE workflows SET workflow_id = 'another'")
    assert json.loads(compare(allow(), arguments=("--json",)).stdout)[0]["paused"] == 0


def test_who_has_no_copy_would_really_strand(service: Service, compare) -> None:
    workflow = service.workflow(ask(on_false="refuse"), allow(), block())
    service.insert(
        "workflow_executions", execution_id="exec_other", workflow_id=workflow, status="paused",
        paused_step_id="ask", next_step_id="release", paused_reason="approval",
    )  # fmt: skip
    result = compare(allow())
    assert result.exit_code == 1
    assert "error    no step ask: 1 of version 1 (exec_other)" in result.stdout
    assert "no copy of their definition is kept" in result.stdout


@every_vintage
def test_without_a_pointer_it_stands_at_its_last_step(service: Service, compare) -> None:
    workflow = service.workflow(ask(on_false="refuse"), allow(), block())
    execution = service.insert(
        "workflow_executions", execution_id="exec_other", workflow_id=workflow, status="paused"
    )
    service.insert(
        "step_executions", execution_id=execution, step_id="ask", step_type="action",
        status="completed", started_at="2026-01-31 09:30:00",
    )  # fmt: skip
    assert "no step ask: 1 of version 1 (exec_other)" in compare(allow()).stdout
    assert compare(ask(on_false="refuse"), allow(), block()).exit_code == 0
