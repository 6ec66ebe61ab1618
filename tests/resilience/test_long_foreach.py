"""A long `foreach` in many turns: others move meanwhile, and no turn writes very much."""

import json
from uuid import UUID

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

COST = {
    "id": "costly",
    "type": "condition",
    "condition": {"field": "text", "operator": "regex", "value": "[ab]*a[ab]{50}c"},
}


def foreach(*steps: object, step: str = "each") -> dict[str, object]:
    return {
        "id": step, "type": "foreach", "items": "{{items}}", "item_var": "it", "steps": list(steps),
        "next": "release",
    }  # fmt: skip


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow(), name="small")
    return made


def turns_of(service: Service, execution: UUID) -> int:
    [(turns,)] = service.database.run(
        "SELECT count(DISTINCT xmin::text) FROM step_executions WHERE execution_id = %s", execution
    )
    return int(turns)


# C49
def test_an_execution_that_needs_long_is_recorded_and_others_move_meanwhile(service: Service):
    service.workflow(foreach(COST), allow(), name="long")
    with running(service.database):
        payload = {"items": list(range(400)), "text": "ab" * 20_000}
        long = service.start("long", payload)
        service.until(long, "running")
        small = service.paused("small")
        service.decide(service.asked(small)[0], "approved")
        assert service.ended(small)["result"] == "allowed"
        assert service.ended(long)["result"] == "allowed"
    assert turns_of(service, long) > 3


# C49
def test_an_execution_that_let_others_move_goes_on_at_another_daemon(service: Service, tmp_path):
    service.workflow(foreach(COST), allow(), name="long")
    payload = {"items": list(range(400)), "text": "ab" * 20_000}
    with process(service.database, tmp_path / "log", lease="2s", drain_timeout="1s") as dying:
        long = service.start("long", payload)
        service.until(long, "running")
        eventually_sync(lambda: turns_of(service, long) > 1)
        dying.kill()
    with running(service.database, lease="2s", drain_timeout="1s"):
        assert service.ended(long)["result"] == "allowed"
    assert len(service.steps(long)) == 402
    [(distinct,)] = service.database.run(
        "SELECT count(DISTINCT started_at) FROM step_executions WHERE execution_id = %s", long
    )
    assert distinct == 402


# C49
def test_an_execution_that_let_others_move_can_be_cancelled(service: Service):
    service.workflow(foreach(COST), allow(), name="long")
    with running(service.database):
        payload = {"items": list(range(3_000)), "text": "ab" * 20_000}
        long = service.start("long", payload)
        service.until(long, "running")
        service.database.run("SELECT resumer.cancel(%s)", long)
        eventually_sync(lambda: service.standing(long) == ("cancelled", None))


# C48
def test_what_a_foreach_writes_is_recorded_in_many_turns(service: Service):
    record = {"type": "create_record", "entity": "copy", "data": {"doc": "{{doc}}"}}
    step = {"id": "copy", "type": "execute", "execute": [record]}
    service.workflow(foreach(step), allow(), name="wide")
    with running(service.database) as daemon:
        payload = {"items": list(range(60)), "doc": "x" * 400_000}
        wide = service.start("wide", json.loads(json.dumps(payload)))
        assert service.ended(wide)["result"] == "allowed"
        assert daemon.metric("resumer_batches_failed_total") == 0
    assert service.database.run("SELECT count(*) FROM resumer.outbox") == [(60,)]
    [(largest,)] = service.database.run(
        "SELECT max(written) FROM (SELECT sum(octet_length(body::text)) AS written"
        " FROM resumer.outbox GROUP BY xmin::text) AS turns"
    )
    assert largest < 10_000_000
