"""The service's audit log: who did what to which execution, in the transaction that did it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.running import running
from tests.harness.service import Service, allow, ask


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with running(database):
        made = Service(database)
        made.workflow(ask(), allow())
        yield made


def log(service: Service, *columns: str) -> list[tuple[Any, ...]]:
    named = ", ".join(columns or ("entity_type", "action", "actor_type"))
    return service.database.run(f'SELECT {named} FROM audit_log ORDER BY "timestamp", action')


@every_vintage
def test_a_decision_leaves_what_was_paused_decided_and_resumed(service: Service):
    execution, approver = service.paused(), uuid4()
    service.decide(service.asked(execution)[0], "approved", approver, "seen")
    service.ended(execution)
    assert log(service) == [
        ("execution", "paused", "system"),
        ("approval", "approved", "user"),
        ("execution", "resumed", "system"),
    ]
    [(who, changes)] = service.database.run(
        "SELECT actor_id, changes FROM audit_log WHERE action = 'approved'"
    )
    assert (who, changes["reason"], changes["execution"]) == (approver, "seen", str(execution))
    assert changes["decision"] == "approved"  # C27
    if service.database.vintage == "v5":
        assert set(log(service, "organization_id")) == {(service.organization(),)}


def test_a_person_s_moves_have_their_name_and_reason(service: Service):
    execution, mia = service.paused(), uuid4()
    service.database.run("SELECT resumer.pause(%s, 'stock count', 'mia')", execution)
    eventually_sync(lambda: service.standing(execution)[1] == "manual")
    service.database.run("SELECT resumer.resume(%s, actor => %s)", execution, str(mia))
    eventually_sync(lambda: service.standing(execution)[1] == "approval_required")
    service.database.run("SELECT resumer.cancel(%s, 'ordered twice', 'ben')", execution)
    service.ended(execution)
    said = log(service, "action", "actor_id", "changes ->> 'actor'", "changes ->> 'reason'")
    assert said[1:] == [
        ("paused", None, "mia", "stock count"),
        ("resumed", mia, None, None),
        ("cancelled", None, "ben", "ordered twice"),
    ]


def test_an_incident_and_its_retry_are_there(service: Service):
    execution = service.paused()
    write = "UPDATE workflow_executions SET context = cast(%s AS jsonb)"
    service.database.run(write, f'{{"n": {"1" * 5000}}}')
    service.decide(service.asked(execution)[0], "approved")
    eventually_sync(lambda: service.standing(execution)[1] == "incident")
    service.database.run(write, "{}")
    service.database.run("SELECT resumer.retry(%s, 'mended', 'mia')", execution)
    service.ended(execution)
    said = log(service, "action", "changes ->> 'actor'", "changes ->> 'cause'")
    assert said[1:3] == [("incident", None, "row_unreadable"), ("retried", "mia", None)]
    assert {action for action, *_ in said[3:]} == {"approved", "resumed"}


def test_a_service_without_a_log_is_served_as_well(database: Database):
    database.run("DROP TABLE audit_log")
    service = Service(database)
    service.workflow(allow())
    with running(database):
        assert service.ended(service.start())["result"] == "allowed"


def test_without_audit_nothing_is_written(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, audit=False):
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"
    assert log(service) == []
