"""The events that count for a wait, and the few requests that they become."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from resumer_daemon.engine.event_matching import entities_of, matches_event
from resumer_daemon.store.inbox import ALL_WAITS, fan_out_events
from resumer_daemon.store.pauses import EventWait, anchor, comparable
from resumer_daemon.store.session import Database as Store
from resumer_daemon.workflow.values import dump, load
from tests.harness import Database, eventually_sync
from tests.harness.database import Databases
from tests.harness.inbox import awaited
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask, insert

PAID = {"id": "wait", "type": "wait", "wait": {"event": "order.paid"}, "on_event": "release"}
MINE = {"wait": {"event": "order.paid", "match": {"order.id": "{{order.id}}"}}}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


def happen(service: Service, payloads: list[Any], event: str = "order.paid") -> None:
    """Write events in one statement, as a service that catches up does."""
    column = ", organization_id" if service.owner else ""
    owner = ", (SELECT id FROM organizations)" if service.owner else ""
    service.database.run(
        f"INSERT INTO events (event_id, event_type, payload{column})"
        f" SELECT gen_random_uuid()::text, %s, p.value{owner}"
        " FROM jsonb_array_elements(%s) WITH ORDINALITY AS p (value, n) ORDER BY p.n",
        event,
        Jsonb(payloads),
    )


def looked_at(service: Service) -> bool:
    """Tell whether nothing is left to look at."""
    open_ones = (
        "SELECT (SELECT count(*) FROM resumer.event_queue) + count(*) FROM resumer.resume_requests"
        " WHERE outcome IS NULL AND due_at <= clock_timestamp()"
    )
    return service.database.run(open_ones) == [(0,)]


def handed_over(service: Service) -> int:
    """Return how many requests the events became."""
    [(count,)] = service.database.run(
        "SELECT count(*) FROM resumer.requests WHERE kind = 'event' AND execution_id IS NOT NULL"
    )
    return int(count)


def started(service: Service, number: int) -> list[UUID]:
    """Start executions of orders 1 and up in one statement."""
    rows = service.database.run(
        "SELECT resumer.start('flow', jsonb_build_object('order', jsonb_build_object('id', n)))"
        " FROM generate_series(1, %s) AS n",
        number,
    )
    return [execution for (execution,) in rows]


def waiting(service: Service) -> int:
    [(count,)] = service.database.run(
        "SELECT count(*) FROM workflow_executions"
        " WHERE status = 'paused' AND paused_reason = 'waiting_for_event'"
    )
    return int(count)


def test_each_event_of_one_transaction_ends_one_wait_of_a_loop(service: Service, daemon: Running):
    # C4
    loop = (
        {"id": "wait", "type": "wait", "wait": {"event": "vote.cast"}, "on_event": "note"},
        {"id": "note", "type": "execute", "next": "enough",
         "execute": [{"type": "log", "message": "voted {{resume_event.number}}"}]},
        {"id": "enough", "type": "condition", "on_true": "release", "on_false": "wait",
         "condition": {"field": "resume_event.number", "operator": "eq", "value": 5}},
        allow(),
    )  # fmt: skip
    service.workflow(*loop)
    execution = service.paused()
    with service.database.connect() as connection, connection.transaction():
        for number in range(1, 6):
            connection.execute("SELECT resumer.emit('vote.cast', %s)", [Jsonb({"number": number})])
    assert service.ended(execution)["result"] == "allowed"
    said = service.database.run(
        "SELECT output #>> '{data,execute_results,0,message}' FROM step_executions"
        " WHERE execution_id = %s AND step_id = 'note' ORDER BY started_at",
        execution,
    )
    assert [text for (text,) in said] == [f"voted {number}" for number in range(1, 6)]


def test_an_event_before_the_first_of_several_pauses_counts_for_the_last(
    service: Service, database: Database
):
    # C4: the look back went no further than to the pause before the last one
    first = {"id": "first", "type": "wait", "wait": {"event": "first"}, "on_event": "second"}
    second = {"id": "second", "type": "wait", "wait": {"event": "second"}, "on_event": "wait"}
    service.workflow(first, second, PAID, allow())
    execution = service.start()
    happen(service, [{}])
    with running(database):
        service.until(execution, "paused")
        for event in ("first", "second"):
            happen(service, [{}], event)
        assert service.ended(execution)["result"] == "allowed"


def test_of_events_before_and_after_a_pause_the_oldest_ends_the_wait(
    service: Service, database: Database
):
    service.workflow(PAID, allow())
    execution = service.start()
    happen(service, [{"number": 1}, {"number": 2}])
    with running(database):
        happen(service, [{"number": 3}])
        assert service.ended(execution)["resume_data"]["resume_event"] == {"number": 1}


def test_foreign_events_become_no_requests_of_a_wait_that_looks_back(service: Service):
    # C28
    service.workflow(ask(on_true="wait"), {**PAID, **MINE}, allow())
    executions = started(service, 20)
    with running(service.database):
        eventually_sync(
            lambda: service.database.run("SELECT count(*) FROM approval_requests") == [(20,)]
        )
        happen(service, [{"order": {"id": 1000 + n}} for n in range(500)])
        service.database.run("UPDATE approval_requests SET status = 'approved'")
        eventually_sync(lambda: waiting(service) == 20 and looked_at(service))
        assert handed_over(service) == 0
        happen(service, [{"order": {"id": 7}}])
        assert service.ended(executions[6])["result"] == "allowed"
    assert handed_over(service) == 1
    assert waiting(service) == 19


@pytest.mark.parametrize("wait", [{}, MINE], ids=["entity", "match"])
def test_each_event_becomes_a_request_of_the_execution_that_it_names_only(
    service: Service, daemon: Running, wait: dict[str, Any]
):
    # C29
    service.workflow({**PAID, **wait}, allow())
    executions = started(service, 30)
    eventually_sync(lambda: waiting(service) == 30)
    happen(service, [{"order": {"id": n}} for n in range(1, 21)])
    assert {service.ended(each)["result"] for each in executions[:20]} == {"allowed"}
    eventually_sync(lambda: looked_at(service))
    assert handed_over(service) == 20
    assert waiting(service) == 10


def test_many_events_that_name_nobody_become_one_request_for_each_wait(
    service: Service, daemon: Running
):
    # C29: a wait is ended by one event
    service.workflow(PAID, allow())
    executions = started(service, 10)
    eventually_sync(lambda: waiting(service) == 10)
    happen(service, [{"number": n} for n in range(50)])
    ended = [service.ended(each)["resume_data"]["resume_event"] for each in executions]
    assert ended == [{"number": 0}] * 10
    assert handed_over(service) == 10


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF (SELECT count(*) FROM n WHERE n.kind = 'event' AND n.execution_id IS NOT NULL) > 3 THEN
    RAISE EXCEPTION 'so many take longer than a statement may' USING ERRCODE = '57014';
  END IF;
  RETURN NULL;
END $f$;
CREATE TRIGGER slow AFTER INSERT ON resumer.resume_requests
  REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION slow()
"""


def test_events_that_take_too_long_together_are_handed_over_in_smaller_numbers(
    service: Service, daemon: Running
):
    # C29: the same number again would end in the same way, for ever
    service.workflow(PAID, allow())
    executions = started(service, 20)
    eventually_sync(lambda: waiting(service) == 20 and looked_at(service))
    service.database.run(SLOW)
    happen(service, [{"order": {"id": n}} for n in range(1, 21)])
    assert {service.ended(each)["result"] for each in executions} == {"allowed"}


def test_one_event_that_takes_too_long_alone_is_handed_over_to_some_executions_after_others(
    service: Service, daemon: Running
):
    # C29: it was repeated for ever, and counted as an outage of the database
    service.workflow(PAID, allow())
    executions = started(service, 20)
    eventually_sync(lambda: waiting(service) == 20 and looked_at(service))
    service.database.run(SLOW)
    happen(service, [{}])
    assert {service.ended(each)["result"] for each in executions} == {"allowed"}
    eventually_sync(lambda: looked_at(service))
    assert daemon.metric("resumer_batches_failed_total") == 0


async def test_one_event_for_thousands_of_waits_is_handed_over_in_slices_once_to_each(
    service: Service,
):
    # C29
    service.database.run(
        "INSERT INTO resumer.event_waits (execution_id, pause_number, event_type, organization_id)"
        " SELECT gen_random_uuid(), 1, 'order.paid', '00000000-0000-0000-0000-000000000000'"
        " FROM generate_series(1, 20000)"
    )
    awaited(service.database, "order.paid")
    happen(service, [{}])
    made = (
        "SELECT count(*), count(DISTINCT execution_id) FROM resumer.requests"
        " WHERE execution_id IS NOT NULL"
    )
    session = await Store(service.database.url).session()
    async with session.connection:
        for number in range(1, 17):
            outcomes = await fan_out_events(session, route=False, most=1, width=ALL_WAITS // 16)
            assert outcomes == [None if number < 16 else "applied"]
            [(requests, executions)] = service.database.run(made)
            assert requests == executions
            assert abs(requests - number * 20_000 // 16) < 1_000
    assert requests == 20_000


# the value that a wait asks for, at the path `order.id`; payloads that it takes, and others
COMPARED: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "a text": (
        "A7",
        [{"order": {"id": "A7"}}, {"order.id": "A7"}],
        [{"order": {"id": "a7"}}, {"order": {"id": "A7 "}}, {"order": {}}, {}, [], ["A7"], "A7"],
    ),
    "a number": (
        7,
        [{"order": {"id": 7}}, {"order": {"id": 7.0}}, {"order": {"id": "7"}}],
        [{"order": {"id": "7.0"}}, {"order": {"id": 70}}, {"order": {"id": True}}],
    ),
    "a number in a text": (
        "7.50",
        [{"order": {"id": "7.50"}}],
        [{"order": {"id": 7.5}}, {"order": {"id": "7.5"}}],
    ),
    "a truth value": (
        True,
        [{"order": {"id": True}}, {"order": {"id": "true"}}],
        [{"order": {"id": 1}}, {"order": {"id": "True"}}, {"order": {"id": False}}],
    ),
    "a list": (
        [1, "b"],
        [{"order": {"id": [1, "b"]}}, {"order": {"id": ["1", "b"]}}],
        [{"order": {"id": ["b", 1]}}, {"order": {"id": "1"}}],
    ),
    "a long text": ("x" * 5000, [{"order": {"id": "x" * 5000}}], [{"order": {"id": "x" * 5001}}]),
}


@pytest.mark.parametrize("when", ["before the pause", "after the pause"])
@pytest.mark.parametrize("what", COMPARED)
def test_a_match_takes_what_the_engine_takes_before_and_after_the_pause(
    service: Service, daemon: Running, what: str, when: str
):
    asked, taken, refused = COMPARED[what]
    service.workflow(ask(on_true="wait"), {**PAID, **MINE}, allow())
    for payload in taken:
        execution = service.paused(payload={"order": {"id": asked}})
        happen(service, refused if when == "after the pause" else [*refused, payload])
        service.database.run("UPDATE approval_requests SET status = 'approved'")
        if when == "after the pause":
            eventually_sync(lambda: waiting(service) == 1 and looked_at(service))
            happen(service, [*refused, payload])
        row = service.ended(execution)
        assert row["resume_data"]["resume_event"] == payload
        # two lists are compared by the engine alone, so a foreign one is handed over too
        assert handed_over(service) == 1 or what == "a list"
        service.database.run("DELETE FROM resumer.settled_requests WHERE kind = 'event'")


def test_a_list_as_payload_is_refused_and_stops_nobody(service: Service, daemon: Running):
    service.workflow({**PAID, "wait": {"event": "order.paid", "match": {"0": "x"}}}, allow())
    execution = service.paused()
    happen(service, [["x"]])
    eventually_sync(lambda: looked_at(service))
    assert service.standing(execution) == ("paused", "waiting_for_event")


# foreign events that a look back cannot tell by a key of theirs, and the event that it looks for
UNKEYED: dict[str, tuple[dict[str, Any], list[Any], Any]] = {
    "a truth value": ({"done": True}, [{"done": False}] * 450, {"done": True}),
    "a third level": (
        {"a.b.c": "{{order.id}}"}, [{"a": {"b": {"c": n}}} for n in range(2, 452)],
        {"a": {"b": {"c": 1}}},
    ),
    "a member of a list": (
        {"ids.1": "{{order.id}}"}, [{"ids": [1, n]} for n in range(2, 452)], {"ids": [2, 1]},
    ),
    "many values": (
        {"order.id": "{{order.id}}"},
        [{"order": {"id": 2}, **{str(n): n for n in range(70)}}] * 210,
        {"order": {"id": 1}, **{str(n): n for n in range(70)}},
    ),
    "many entities": (
        {}, [{"order": {"id": 2}, f"entity {n}": {"id": n}} for n in range(100)],
        {"order": {"id": 1}, "another": {"id": 7}},
    ),
    "another entity": ({}, [{"order": {"id": 2}}] * 210, {"invoice": {"id": 2}}),
    "no entity": ({}, [{"order": {"id": 2}}] * 210, {"invoice": 2}),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKEYED)
def test_a_look_back_finds_the_one_event_behind_many_foreign_ones(
    service: Service, daemon: Running, what: str
):
    # C28
    match, foreign, meant = UNKEYED[what]
    wait = {"event": "order.paid", "match": match}
    service.workflow(ask(on_true="wait"), {**PAID, "wait": wait}, allow())
    execution = service.paused(payload={"order": {"id": 1}})
    happen(service, [*foreign, meant])
    eventually_sync(lambda: looked_at(service))
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    assert service.ended(execution)["resume_data"]["resume_event"] == meant
    assert handed_over(service) == 1


def test_the_wait_of_a_pause_that_ended_is_forgotten(service: Service, daemon: Running):
    service.workflow(PAID, allow())
    ended, cancelled, gone, foreign = (service.paused() for _ in range(4))
    waits = "SELECT execution_id FROM resumer.event_waits"
    assert len(service.database.run(waits)) == 4
    service.database.run("SELECT resumer.cancel(%s, 'me', 'why')", cancelled)
    service.database.run("SELECT resumer.resume(%s, actor => 'me', reason => 'why')", ended)
    service.database.run(
        "UPDATE workflow_executions SET status = 'cancelled' WHERE id = %s", foreign
    )
    service.database.run("DELETE FROM workflow_executions WHERE id = %s", gone)
    eventually_sync(lambda: service.database.run(waits) == [])


def test_an_event_during_a_hold_ends_the_wait_after_the_release(service: Service, daemon: Running):
    service.workflow(PAID, allow())
    execution = service.paused()
    service.database.run("SELECT resumer.pause(%s, 'me', 'stock count')", execution)
    eventually_sync(lambda: service.standing(execution)[1] != "waiting_for_event")
    happen(service, [{"number": 1}])
    eventually_sync(lambda: looked_at(service))
    service.database.run("SELECT resumer.resume(%s, actor => 'me', reason => 'why')", execution)
    assert service.ended(execution)["resume_data"]["resume_event"] == {"number": 1}


JSON_VALUES = st.recursive(
    st.sampled_from([None, True, False, "true", 0, 1, -1, 1.0, 1.5, "1", "1.0", "", "a", 10**20]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "a", "a.id", "length"]), inner, max_size=2)
    ),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "id", "a.id", "a.0"]), JSON_VALUES)
PATHS = st.sampled_from(["a", "a.id", "a.0", "a.-1", "a.00", "b.length", "id", "b.a.id", "", "a."])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(match=st.dictionaries(PATHS, JSON_VALUES, max_size=2), context=DOCUMENTS, payload=DOCUMENTS)
def test_sql_refuses_no_event_that_the_engine_takes(
    connection: psycopg.Connection[Any], match: Any, context: Any, payload: Any
):
    match, context, payload = (load(dump(each)) for each in (match, context, payload))
    ours = entities_of(context, {})
    named = {} if match else comparable(ours)
    condition, value = anchor(EventWait("", "paid", match), named)
    row = connection.execute(
        "SELECT resumer.may_end(%(match)s, %(named)s, %(payload)s), resumer.index_text(%(value)s),"
        " resumer.event_terms(%(payload)s)",
        {
            "match": dump(match),
            "named": dump(named),
            "payload": dump(payload),
            "value": dump(value),
        },
    ).fetchone()
    assert row is not None
    may_end, text, terms = row
    if matches_event(match, ours, payload):
        assert may_end
        keyed = condition.startswith("=") and condition.count(".") < 2
        if keyed and text not in ("true", "false"):
            assert f"{condition}={text}" in terms


@pytest.fixture(scope="module")
def connection(databases: Databases):
    with databases.fresh("empty", migrated=True) as made, made.connect() as opened:
        yield opened


def other_organization(service: Service) -> UUID:
    [(other,)] = service.database.run(
        "INSERT INTO organizations (name, slug) VALUES ('other', 'other') RETURNING id"
    )
    return UUID(str(other))


def theirs(service: Service, organization: UUID, execution: UUID) -> None:
    """Give an execution to another organisation before a daemon sees it."""
    service.database.run(
        "UPDATE workflow_executions SET organization_id = %s WHERE id = %s", organization, execution
    )


def happens_to(service: Service, organization: UUID) -> None:
    """Write an event of one organisation."""
    with service.database.connect() as connection:
        insert(
            connection,
            "events",
            {
                "event_id": uuid4().hex,
                "event_type": "order.paid",
                "payload": Jsonb({"order": {"id": 1}}),
                "organization_id": organization,
            },
        )


@pytest.mark.parametrize("vintage", ["v5"])
@pytest.mark.parametrize("route", [False, True], ids=["waits only", "routing"])
@pytest.mark.parametrize("wait", [{}, MINE], ids=["entity", "match"])
@pytest.mark.parametrize("when", ["before the pause", "after the pause"])
def test_an_event_of_one_organisation_ends_no_wait_of_another(
    database: Database, service: Service, *, route: bool, wait: dict[str, Any], when: str
):
    ours = service.organization()
    service.workflow({**PAID, **wait}, allow(), organization=ours)
    executions = [service.start(payload={"order": {"id": 1}}) for _ in range(2)]
    other = other_organization(service)
    theirs(service, other, executions[1])
    early = when == "before the pause"
    if early:
        happens_to(service, other)
    with running(database, route_events=route):
        for execution in executions[early:]:
            service.until(execution, "paused", "completed")
        if not early:
            happens_to(service, other)
        assert service.ended(executions[1])["result"] == "allowed"
        eventually_sync(lambda: looked_at(service))
        assert service.standing(executions[0]) == ("paused", "waiting_for_event")
