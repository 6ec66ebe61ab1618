"""Events: they end the waits for them, and start the workflows that listen, once each."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually_sync
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, block

BOTH = pytest.mark.parametrize("vintage", ["empty", "v5"])


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


def waits(**wait: Any) -> tuple[dict[str, Any], ...]:
    what = {"event": "paid", **wait}
    step = {"id": "wait", "type": "wait", "wait": what, "on_event": "release"}
    return step, dict(allow()), dict(block("late"))


def happens(service: Service, event: str, payload: object = None, **values: object) -> UUID:
    """Write an event as the service does: a plain row."""
    return service.insert(
        "events", event_type=event, payload=Jsonb({} if payload is None else payload),
        event_id=f"evt_{uuid4().hex}", **values,
    )  # fmt: skip


def settled(service: Service) -> bool:
    """Tell whether every event was looked at."""
    return service.database.run("SELECT count(*) FROM resumer.event_queue") == [(0,)]


@BOTH
def test_a_row_in_events_ends_the_wait_for_it(service: Service, daemon: Running):
    service.workflow(*waits())
    execution = service.paused()
    assert service.look(execution)["paused_reason"] == "waiting_for_event"
    happens(service, "paid", {"amount": 5})
    row = service.ended(execution)
    assert row["result"] == "allowed"
    assert row["resume_data"]["resume_event"] == {"amount": 5}
    assert row["resume_data"]["resume"]["trigger"] == "event"


def test_emit_does_the_same(service: Service, daemon: Running):
    service.workflow(*waits())
    execution = service.paused()
    service.database.run("SELECT resumer.emit('paid', '{}')")
    assert service.ended(execution)["result"] == "allowed"


def test_only_an_event_that_matches_ends_it(service: Service, daemon: Running):
    service.workflow(*waits(match={"order.id": "{{order.id}}"}))
    mine = service.paused(payload={"order": {"id": 1}})
    other = service.paused(payload={"order": {"id": 2}})
    happens(service, "paid", {"order": {"id": 2}})
    assert service.ended(other)["result"] == "allowed"
    eventually_sync(lambda: settled(service))
    assert service.standing(mine) == ("paused", "waiting_for_event")
    happens(service, "shipped", {"order": {"id": 1}})
    happens(service, "paid", {"order": {"id": 1}})
    assert service.ended(mine)["result"] == "allowed"


def test_one_event_ends_every_wait_that_it_fits(service: Service, daemon: Running):
    service.workflow(*waits())
    executions = [service.paused() for _ in range(20)]
    happens(service, "paid")
    assert {service.ended(each)["result"] for each in executions} == {"allowed"}


def test_an_event_that_was_quicker_than_the_pause_is_found(service: Service, database: Database):
    service.workflow(*waits())
    execution = service.start()
    happens(service, "paid")
    with running(database):
        assert service.ended(execution)["result"] == "allowed"


def test_an_event_from_before_the_start_is_not(service: Service, daemon: Running):
    service.workflow(*waits())
    happens(service, "paid")
    eventually_sync(lambda: settled(service))
    execution = service.paused()
    eventually_sync(lambda: all(r[2] for r in service.requests(execution)))
    assert service.standing(execution) == ("paused", "waiting_for_event")


def unseen(service: Service) -> None:
    """Let an event happen while the trigger is off, as before it was installed."""
    service.database.run("ALTER TABLE events DISABLE TRIGGER resumer_event_insert")
    happens(service, "paid")
    service.database.run("ALTER TABLE events ENABLE TRIGGER resumer_event_insert")


def test_an_event_that_no_trigger_saw_is_for_those_who_waited(service: Service, daemon: Running):
    service.workflow(*waits())
    before = service.paused()
    unseen(service)
    assert service.ended(before)["result"] == "allowed"


def test_an_event_from_before_the_installation_is_for_nobody(service: Service, daemon: Running):
    service.workflow(*waits())
    unseen(service)
    execution = service.paused()
    eventually_sync(
        lambda: service.database.run("SELECT 1 FROM resumer.captured_events WHERE missed")
    )
    eventually_sync(lambda: all(outcome for _, _, outcome in service.requests(execution)))
    assert service.standing(execution) == ("paused", "waiting_for_event")


def test_no_event_in_time_takes_the_way_of_the_timeout(service: Service, daemon: Running):
    service.workflow(*waits(timeout="1s", on_timeout="late"))
    row = service.ended(service.paused())
    assert row["result"] == "blocked"
    assert row["resume_data"]["resume"]["trigger"] == "timeout"


def test_a_wait_for_a_time_ends_by_itself(service: Service, daemon: Running):
    step = {"id": "wait", "type": "wait", "wait": {"duration": "1s"}, "next": "release"}
    service.workflow(step, allow())
    execution = service.paused()
    assert service.look(execution)["paused_reason"] == "waiting_for_time"
    assert service.ended(execution)["result"] == "allowed"


def listens(service: Service, event: str, name: str, **values: object) -> UUID:
    trigger = {"type": "event", "event": event}
    definition = {"trigger": trigger, "steps": [allow()]}
    return service.insert(
        "workflows", workflow_id=name, name=name, definition=Jsonb(definition),
        **{"version": "1", **values},
    )  # fmt: skip


def started(service: Service) -> Counter[str]:
    return Counter(
        name
        for (name,) in service.database.run(
            "SELECT w.workflow_id FROM workflow_executions e"
            " JOIN workflows w ON w.id = e.workflow_id"
        )
    )


def test_events_start_nothing_where_the_service_does_it(service: Service, daemon: Running):
    listens(service, "order.created", "exact")
    happens(service, "order.created")
    eventually_sync(lambda: settled(service))
    assert not started(service)
    assert service.database.run("SELECT processed_at FROM events") == [(None,)]


@BOTH
def test_an_event_starts_the_workflows_that_listen(service: Service, database: Database):
    listens(service, "order.created", "exact")
    listens(service, "order.*", "any")
    listens(service, "order.created", "off", enabled=False)
    listens(service, "order.create", "shorter")
    listens(service, "quote.*", "other")
    with running(database, route_events=True):
        event = happens(service, "order.created", {"order": {"id": 9}})
        eventually_sync(lambda: started(service) == {"exact": 1, "any": 1})
        eventually_sync(lambda: not service.database.run(
            "SELECT FROM workflow_executions WHERE status <> 'completed'"
        ))  # fmt: skip
    assert started(service) == {"exact": 1, "any": 1}
    [(processed, triggered)] = database.run(
        "SELECT processed_at IS NOT NULL, triggered_workflows FROM events WHERE id = %s", event
    )
    assert processed
    assert sorted(triggered) == ["any", "exact"]
    rows = database.run(
        "SELECT DISTINCT trigger_event, context -> 'order' FROM workflow_executions"
    )
    assert rows == [("order.created", {"id": 9})]


TRIGGERS: dict[str, Any] = {
    "exact": {"type": "event", "event": "order.created"},
    "prefix": {"type": "event", "event": "order.*"},
    "word": {"type": "event", "event": "order*"},
    "all": {"type": "event", "event": "*"},
    "stars": {"type": "event", "event": "**"},
    "front": {"type": "event", "event": "*.created"},
    "middle": {"type": "event", "event": "order.*.late"},
    "empty": {"type": "event", "event": ""},
    "list": {"type": "event", "event": ["order.created"]},
    "none": {"type": "event"},
    "text": "order.created",
    "schedule": {"type": "schedule", "event": "order.created"},
    "manual": {"type": "manual", "event": "order.created"},
}
STARTS = {
    "order.created": {"exact", "prefix", "word", "all", "whole"},
    "order.created.late": {"prefix", "word", "all"},
    "Order.Created": {"all"},
    "order.": {"prefix", "word", "all"},
    "order": {"word", "all"},
    "orders.created": {"word", "all"},
}


def test_a_trigger_is_exact_or_ends_in_a_star(service: Service, database: Database):
    for name, trigger in TRIGGERS.items():
        service.workflow(name=name, definition={"trigger": trigger, "steps": []})
    inner = {"trigger": TRIGGERS["exact"], "steps": []}
    beside = {"name": "whole", "trigger": TRIGGERS["all"], "definition": inner}
    service.workflow(name="whole", definition=beside)
    with running(database, route_events=True):
        for event in STARTS:
            happens(service, event)
        eventually_sync(lambda: settled(service))
    rows = database.run("SELECT event_type, coalesce(triggered_workflows, '{}') FROM events")
    assert {event: set(workflows) for event, workflows in rows} == STARTS


def test_the_newest_version_says_what_starts_it(service: Service, database: Database):
    listens(service, "order.created", "moved", created_at="2020-01-01")
    listens(service, "order.paid", "moved", version="2", created_at="2021-01-01")
    with running(database, route_events=True):
        happens(service, "order.created")
        happens(service, "order.paid")
        eventually_sync(lambda: settled(service))
        eventually_sync(lambda: started(service) == {"moved": 1})
    assert database.run("SELECT trigger_event FROM workflow_executions") == [("order.paid",)]


def test_several_daemons_start_each_once(service: Service, database: Database):
    listens(service, "order.*", "any")
    routing: dict[str, Any] = {"route_events": True, "poll_interval": 0.05}
    with running(database, **routing), running(database, **routing), running(database, **routing):
        for number in range(100):
            happens(service, f"order.{number}")
        eventually_sync(lambda: settled(service))
    assert started(service) == {"any": 100}
    once = "SELECT trigger_event FROM workflow_executions GROUP BY 1 HAVING count(*) > 1"
    assert database.run(once) == []
