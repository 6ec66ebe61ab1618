"""The SQL interface where the service has several organisations."""

import psycopg
import pytest

from tests.harness import Database
from tests.harness.inbox import left
from tests.harness.rows import Rows

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
