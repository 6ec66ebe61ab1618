"""The SQL interface where the service has several organisations."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.harness import Database
from tests.harness.inbox import left
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Rows, Service, allow

pytestmark = pytest.mark.parametrize("vintage", ["v5"])


@pytest.fixture
def others(rows: Rows) -> Rows:
    return rows.of_another_organization()


def test_a_workflow_of_two_organisations_is_not_started_by_its_name_alone(
    database: Database, rows: Rows, others: Rows
):
    rows.workflow("flow")
    others.workflow("flow")
    with pytest.raises(psycopg.Error, match="'flow' exists in 2 organisations") as caught:
        database.run("SELECT resumer.start('flow')")
    assert caught.value.sqlstate == "RZ422"
    assert left(database) == []


def test_the_organisation_that_is_named_is_the_one_that_starts(
    database: Database, rows: Rows, others: Rows
):
    rows.workflow("flow")
    theirs = others.workflow("flow")
    database.run("SELECT resumer.start('flow', organization_id => %s)", others.organization)
    assert database.run("SELECT workflow_id, organization_id FROM workflow_executions") == [
        (theirs, others.organization)
    ]


def test_a_version_that_only_one_has_needs_no_name(database: Database, rows: Rows, others: Rows):
    rows.workflow("flow", "1")
    theirs = others.workflow("flow", "2")
    database.run("SELECT resumer.start('flow', version => '2')")
    assert database.run("SELECT workflow_id FROM workflow_executions") == [(theirs,)]


def test_an_event_belongs_to_the_only_organisation_there_is(database: Database, rows: Rows):
    database.run("SELECT resumer.emit('paid')")
    assert database.run("SELECT organization_id FROM events") == [(rows.organization,)]


def test_an_event_of_one_of_two_organisations_needs_its_name(database: Database, others: Rows):
    with pytest.raises(psycopg.Error, match="needs one") as caught:
        database.run("SELECT resumer.emit('paid')")
    assert caught.value.sqlstate == "RZ422"
    assert left(database) == []
    database.run("SELECT resumer.emit('paid', organization_id => %s)", others.organization)
    assert database.run("SELECT organization_id FROM events") == [(others.organization,)]


async def test_a_secret_of_an_organisation_is_read_for_no_other(  # C43
    database: Database, rows: Rows, others: Rows, tmp_path: Path
):
    """A common one is read for all of them."""
    for folder, secret in ((str(rows.organization), "ours"), (str(others.organization), "theirs")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "TOKEN").write_text(f"{secret} canary\n")
    (tmp_path / str(others.organization) / "ALONE").write_text("alone canary")
    (tmp_path / "TOKEN").write_text("nobody's canary")
    (tmp_path / "COMMON").write_text("common canary")
    service = Service(database)
    async with receiver(answering()) as here:
        headers = {"X-A": "{{secrets.TOKEN}}", "X-B": "{{secrets.COMMON}}"}
        for number, organization in enumerate((rows.organization, others.organization)):
            act = {"type": "webhook", "url": here.url(), "headers": headers}
            step = {"id": "send", "type": "execute", "execute": [act], "next": "release"}
            service.workflow(step, allow(), name=f"flow{number}", organization=organization)
        act = {"type": "webhook", "url": here.url(), "headers": {"X-A": "{{secrets.ALONE}}"}}
        step = {"id": "send", "type": "execute", "execute": [act]}
        service.workflow(step, name="alone", organization=rows.organization)

        def work() -> None:
            with running(database, http_allow="localhost", secrets_dir=tmp_path):
                for number in range(2):
                    assert service.ended(service.start(f"flow{number}"))["result"] == "allowed"
                refused = service.ended(service.start("alone"))
                assert refused["error_message"] == "webhook: no secret ALONE"

        await asyncio.to_thread(work)
    assert [(r.headers["x-a"], r.headers["x-b"]) for r in here.requests] == [
        ("ours canary", "common canary"),
        ("theirs canary", "common canary"),
    ]
