"""Capture of awaited events, and the search for those that came before anybody waited."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import IsolationLevel
from psycopg.types.json import Jsonb

from resumer_daemon import config
from resumer_daemon.errors import SettingsError
from resumer_daemon.store import inbox
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually_sync
from tests.harness.inbox import Ear
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask

CAPTURED = "SELECT event_type FROM resumer.event_queue"
OPEN = "SELECT count(*) FROM resumer.event_types WHERE NOT complete"
EMIT = "SELECT resumer.emit('paid', '{}')"
FAR: dict[str, Any] = {"reconcile_interval": 3600.0, "poll_interval": 0.2}
"""Nothing is found by the reconciler."""


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(database, **FAR) as made:
        yield made


def wait(event: str = "paid", **more: object) -> dict[str, Any]:
    return {"id": "wait", "type": "wait", "wait": {"event": event}, "on_event": "release", **more}


def handed_over(service: Service) -> bool:
    """Tell whether all that was captured was looked at, and all types were searched."""
    left = f"SELECT ({OPEN}) + count(*) FROM resumer.event_queue"
    return service.database.run(left.encode()) == [(0,)]  # type: ignore[arg-type]


def test_an_event_that_nobody_may_wait_for_leaves_nothing(database: Database, ear: Ear):  # P14
    database.run(EMIT)
    assert database.run(CAPTURED) == []
    assert ear.heard() == 0


def test_an_event_counts_that_came_before_anybody_waited_for_its_type(  # P14, C4
    service: Service,
):
    service.workflow(wait(), allow())
    executions = [service.start() for _ in range(3)]
    service.database.run(EMIT)
    assert service.database.run(CAPTURED) == []
    with running(service.database, **FAR):
        assert {service.ended(each)["result"] for each in executions} == {"allowed"}
        eventually_sync(lambda: handed_over(service))


def test_what_steps_may_come_to_wait_for_is_captured_from_the_first_pause_on(
    service: Service, daemon: Running
):
    inner = {"id": "both", "type": "parallel", "parallel": {"steps": [wait("shipped")]}}
    service.workflow(ask(on_true="both"), inner, {**wait(), "id": "last"}, allow())
    service.paused()
    types = "SELECT event_type FROM resumer.event_types ORDER BY 1"
    assert service.database.run(types) == [("paid",), ("shipped",)]
    service.database.run(EMIT)
    eventually_sync(lambda: service.database.run("SELECT 1 FROM resumer.captured_events"))
    assert service.database.run("SELECT missed FROM resumer.captured_events") == [(False,)]


@pytest.mark.parametrize("isolation", [IsolationLevel.READ_COMMITTED, IsolationLevel.SERIALIZABLE])
def test_an_event_counts_whose_transaction_began_before_its_type_was_known(  # P14
    service: Service, daemon: Running, isolation: IsolationLevel
):
    service.workflow(wait(), allow())
    with service.database.connect() as writer:
        writer.autocommit = False
        writer.isolation_level = isolation
        execution = service.start()
        writer.execute("SELECT count(*) FROM workflow_executions")
        if isolation == IsolationLevel.READ_COMMITTED:
            writer.execute(EMIT)
        service.until(execution, "paused")
        if isolation == IsolationLevel.SERIALIZABLE:
            writer.execute(EMIT)
        eventually_sync(
            lambda: service.database.run("SELECT 1 FROM resumer.event_types WHERE mark > 0")
        )
        assert service.standing(execution)[0] == "paused"
        writer.commit()
    assert service.ended(execution)["result"] == "allowed"
    eventually_sync(lambda: handed_over(service))


async def test_it_is_searched_in_slices_from_where_waits_count_from_and_in_its_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inbox, "SEARCHED_AT_ONCE", 3)
    database.run(
        "INSERT INTO events (event_id, event_type, payload, received_at) SELECT n::text,"
        " CASE WHEN n % 4 = 0 THEN 'paid' ELSE 'other' END, '{}', now() AT TIME ZONE 'UTC'"
        " + (n + 20) / 5 * interval '1 second' FROM generate_series(-20, 20) AS n"
    )
    database.run(
        "INSERT INTO resumer.event_types (event_type, since)"
        " SELECT 'paid', received_at AT TIME ZONE 'UTC' FROM events WHERE event_id = '0'"
    )
    session = await Store(database.url).session()
    async with session.connection:
        while database.run("SELECT mark FROM resumer.event_types") == [(None,)]:
            assert await inbox.search_events(session)
    found = database.run(
        "SELECT e.event_id, q.missed FROM resumer.event_queue q JOIN events e ON e.id = q.event_id"
        " ORDER BY q.id"
    )
    assert found == [(str(n), True) for n in (0, 4, 8, 12, 16, 20)]


def test_where_events_start_workflows_those_of_no_use_are_marked_and_not_kept(  # P14
    service: Service,
):
    service.workflow(name="starts", definition={"trigger": {"event": "order.*"}, "steps": []})
    service.database.run("UPDATE resumer.control SET event_capture = 'all'")
    for event in ("order.created", "paid", "shipped"):
        service.insert("events", event_type=event, payload=Jsonb({}), event_id=event)
    with running(service.database, route_events=True, **FAR):
        marked = "SELECT count(*) FROM events WHERE processed_at IS NOT NULL"
        eventually_sync(lambda: service.database.run(marked) == [(3,)])
        eventually_sync(lambda: handed_over(service))
    kept = "SELECT e.event_type FROM resumer.captured_events c JOIN events e ON e.id = c.event_id"
    assert service.database.run(kept) == [("order.created",)]
    assert service.database.run("SELECT trigger_event FROM workflow_executions") == [
        ("order.created",)
    ]


def test_capture_can_be_switched_off(service: Service):  # P14
    service.workflow(wait(), allow())
    with running(service.database, capture_events=False, reconcile_interval=0.05):
        execution = service.paused()
        service.database.run(EMIT)
        eventually_sync(lambda: handed_over(service))
        for _ in range(2):  # each look at an execution comes behind a beat
            service.paused()
        assert service.database.run("SELECT count(*) FROM resumer.captured_events") == [(0,)]
        assert service.standing(execution) == ("paused", "waiting_for_event")
    with running(service.database):  # what came meanwhile is missed, and found
        assert service.ended(execution)["result"] == "allowed"


def test_routing_needs_capture():
    with pytest.raises(SettingsError, match=r"RESUMER_CAPTURE_EVENTS.*must be on"):
        config.load_settings(database_url="postgresql://x", route_events=True, capture_events=False)
