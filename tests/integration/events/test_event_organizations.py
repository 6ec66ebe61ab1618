"""An event is for executions and workflows of its own organisation, whenever it comes."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Rows, Service, allow

pytestmark = pytest.mark.parametrize("vintage", ["v5"])

WAIT = {"id": "wait", "type": "wait", "wait": {"event": "paid"}, "on_event": "release"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def others(service: Service, rows: Rows) -> UUID:
    """Another organisation, with a workflow of the same name."""
    service.workflow(WAIT, allow())
    other = rows.of_another_organization().organization
    service.workflow(WAIT, allow(), organization=other)
    return UUID(str(other))


def starts(database: Database, organization: UUID) -> UUID:
    [(execution,)] = database.run(
        "SELECT resumer.start('flow', organization_id => %s)", organization
    )
    return UUID(str(execution))


def happens(service: Service, organization: UUID) -> None:
    service.insert(
        "events", event_type="paid", payload=Jsonb({}), event_id=uuid4().hex,
        organization_id=organization,
    )  # fmt: skip


def looked_at(database: Database) -> bool:
    """Tell whether every request that is due is settled."""
    return not database.run(
        "SELECT 1 FROM resumer.resume_requests WHERE outcome IS NULL AND due_at <= now()"
        " UNION ALL SELECT 1 FROM resumer.event_queue"
    )


def ours(database: Database, others: UUID) -> UUID:
    [(first,)] = database.run("SELECT id FROM organizations WHERE id <> %s", others)
    return UUID(str(first))


def test_an_event_ends_no_wait_of_another_organisation(
    service: Service, database: Database, others: UUID
):
    us = ours(database, others)
    with running(database):
        waits = {each: starts(database, each) for each in (us, others)}
        for execution in waits.values():
            service.until(execution, "paused")
        happens(service, others)
        service.until(waits[others], "completed")
        eventually_sync(lambda: looked_at(database))
        assert service.standing(waits[us])[0] == "paused"
        happens(service, us)
        service.until(waits[us], "completed")


def test_an_event_before_the_pause_is_found_by_its_own_organisation_alone(
    service: Service, database: Database, others: UUID
):
    us = ours(database, others)
    waits = {each: starts(database, each) for each in (us, others)}
    happens(service, others)
    with running(database):
        service.until(waits[others], "completed")
        service.until(waits[us], "paused")
        eventually_sync(lambda: looked_at(database))
        assert service.standing(waits[us])[0] == "paused"


def test_an_event_starts_no_workflow_of_another_organisation(
    service: Service, database: Database, others: UUID
):
    document: dict[str, Any] = {"trigger": {"type": "event", "event": "paid"}, "steps": [allow()]}
    us = ours(database, others)
    for organization in (us, others):
        service.workflow(name="listens", definition=document, organization=organization)
    with running(database, route_events=True):
        happens(service, us)
        eventually_sync(lambda: database.run("SELECT 1 FROM events WHERE processed_at IS NOT NULL"))
    assert database.run("SELECT organization_id FROM workflow_executions") == [(us,)]
