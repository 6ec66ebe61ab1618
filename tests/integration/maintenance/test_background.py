"""Background work: small statements, each with its own transaction; none can stop another."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from resumer_daemon.daemon import background as module
from tests.harness import Database, eventually
from tests.harness.running import ByHand, by_hand, running
from tests.harness.service import Rows, Service, allow, ask

PAUSED = 5
ENDS = (
    "UPDATE workflow_executions SET status = 'completed'"
    " WHERE id = (SELECT id FROM workflow_executions LIMIT 1)"
)
BEGINS = "INSERT INTO workflow_executions (execution_id, status) VALUES ('other', 'paused')"
FOUND = "SELECT count(*) FROM resumer.requests WHERE kind = 'approval'"
MENDED = "resumer_reconciled_total"


@pytest.fixture
async def hand(database: Database) -> AsyncIterator[ByHand]:
    async with by_hand(database) as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One slice in each beat, and no rests."""
    for name, value in {"SLICES": 1, "REST": 0.0, "RETRY_FIRST": 0.01}.items():
        monkeypatch.setattr(module, name, value)


def decided_silently(database: Database) -> None:
    """Leave paused executions whose decisions no trigger has seen."""
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        for _ in range(PAUSED):
            service.paused()
    silence(database, "UPDATE approval_requests SET status = 'approved'")


def silence(database: Database, statement: str) -> None:
    with database.connect() as silently, silently.transaction():
        silently.execute("SET LOCAL session_replication_role = replica")
        silently.execute(statement.encode())


async def test_at_first_all_slices_are_looked_at_and_then_some_a_beat(
    database: Database, hand: ByHand, quick: None
):
    await asyncio.to_thread(decided_silently, database)
    await hand.run("decisions", limit=2)
    assert database.run(FOUND) == [(PAUSED,)]
    assert await hand.wakeup.wait(0.0, "poll") == "reconcile"
    database.run("DELETE FROM resumer.resume_requests WHERE kind = 'approval'")
    found = []
    for _ in range(3):
        await hand.run("decisions")
        [(count,)] = database.run(FOUND)
        found.append(count)
    assert found == [2, 4, PAUSED]


# P6: the first statement that took too long undid all others, every 30 s, for ever
async def test_a_task_that_fails_is_named_and_counted_and_stops_no_other(
    database: Database, hand: ByHand, quick: None
):
    await asyncio.to_thread(decided_silently, database)
    database.run("DROP FUNCTION resumer.end_hold(bigint, integer)")
    failures = "resumer_background_failures_total"
    async with hand.repeating():
        await eventually(lambda: hand.counted(failures, task="holds") >= 2)
        await eventually(lambda: hand.counted(MENDED, kind="decision") == PAUSED)
        await eventually(lambda: set(hand.tasks) - {"holds"} == done(hand))
    assert [name for name in hand.tasks if hand.counted(failures, task=name)] == ["holds"]


def done(hand: ByHand) -> set[str]:
    return {n for n in hand.tasks if hand.counted("resumer_background_runs_total", task=n)}


FEW = (
    "CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF (SELECT count(*) FROM new_rows) > 4 THEN RAISE EXCEPTION 'too many'; END IF;"
    " RETURN NULL; END $$",
    "CREATE TRIGGER few AFTER INSERT ON resumer.resume_requests REFERENCING NEW TABLE AS new_rows"
    " FOR EACH STATEMENT EXECUTE FUNCTION few()",
)


async def test_a_slice_that_is_too_much_for_one_statement_becomes_smaller_and_grows_again(
    database: Database, hand: ByHand
):
    silence(
        database,
        "INSERT INTO workflow_executions (execution_id, status)"
        " SELECT n::text, 'paused' FROM generate_series(1, 10) AS n",
    )
    for statement in FEW:
        database.run(statement)
    with pytest.raises(psycopg.Error, match="too many"):
        await hand.lap("executions", limit=8)
    await hand.lap("executions")
    assert hand.counted(MENDED, kind="foreign_pause") == 10
    assert hand.counted("resumer_background_runs_total", task="executions") == 3  # 2, 4, and 4 of 8


async def test_what_another_program_paused_or_ended_silently_is_found_by_key(
    database: Database, hand: ByHand
):
    """As many are paused as before, but not the same."""
    await asyncio.to_thread(decided_silently, database)
    silence(database, ENDS)
    silence(database, BEGINS)
    await hand.lap("records", limit=2)
    assert hand.counted(MENDED, kind="foreign_pause") == 1
    await hand.lap("executions", limit=2)
    assert hand.counted(MENDED, kind="foreign_pause") == 2
    for name in ("records", "executions"):  # they are asked for already
        await hand.lap(name)
    assert hand.counted(MENDED, kind="foreign_pause") == 2


async def test_an_execution_with_held_requests_is_looked_at_once_in_a_slice(
    database: Database, hand: ByHand, rows: Rows
):
    ended, paused = rows.execution("completed"), rows.execution("paused")
    gone = UUID(int=1)
    database.run("DELETE FROM resumer.resume_requests")
    for execution, many in ((ended, 3), (paused, 3), (gone, 2)):
        for _ in range(many):
            database.run(
                "INSERT INTO resumer.resume_requests (execution_id, kind, outcome)"
                " VALUES (%s, 'approval', 'held')",
                execution,
            )
    await hand.lap("held")
    assert database.run(
        "SELECT execution_id, kind FROM resumer.resume_requests WHERE outcome IS NULL"
    ) == [(ended, "adopt")]
    assert (hand.counted(MENDED, kind="held"), hand.counted(MENDED, kind="gone")) == (1, 2)
    assert database.run(
        "SELECT execution_id, count(*) FROM resumer.settled_requests WHERE outcome = 'orphan'"
        " GROUP BY 1"
    ) == [(gone, 2)]


async def test_leases_of_executions_that_are_gone_are_forgotten_once_they_are_past(
    database: Database, hand: ByHand, rows: Rows
):
    there = rows.execution("running")
    database.run(
        "INSERT INTO resumer.leases (execution_id, lease_until) VALUES (%s, now()),"
        " (gen_random_uuid(), now()), (gen_random_uuid(), NULL),"
        " ('00000000-0000-0000-0000-000000000009', now() + interval '1 hour')",
        there,
    )
    await hand.lap("leases", limit=2)
    assert database.run("SELECT execution_id FROM resumer.leases ORDER BY 1") == [
        (UUID(int=9),),
        (there,),
    ]


# C28
async def test_events_that_no_trigger_saw_are_found_in_slices_even_where_all_came_at_once(
    database: Database, hand: ByHand
):
    silence(
        database,
        "INSERT INTO resumer.event_waits (execution_id, pause_number, event_type)"
        " VALUES (gen_random_uuid(), 1, 'paid');"
        "INSERT INTO events (event_id, event_type, payload, received_at) SELECT n::text,"
        " CASE WHEN n % 5 = 0 THEN 'other' ELSE 'paid' END, '{}',"
        " CASE WHEN n < 35 THEN now() AT TIME ZONE 'UTC' ELSE 'infinity' END"
        " FROM generate_series(1, 45) AS n",
    )
    for _ in range(2):
        await hand.lap("events", limit=10)
        assert database.run(
            "SELECT count(*), count(DISTINCT event_id) FROM resumer.event_queue"
        ) == [(36, 36)]


# P13: all events of the day were read each time, by each daemon
async def test_events_are_looked_at_from_where_the_last_lap_ended(database: Database, hand: ByHand):
    """Less a minute, for who has written an event may not have committed yet."""
    silence(
        database,
        "INSERT INTO resumer.event_waits (execution_id, pause_number, event_type)"
        " VALUES (gen_random_uuid(), 1, 'paid')",
    )
    event = (
        "INSERT INTO events (event_id, event_type, payload, received_at) VALUES"
        " ('{0}', 'paid', '{{}}', (now() AT TIME ZONE 'UTC') - interval '{0} seconds')"
    )
    await hand.lap("events")
    for seconds in ("90", "30"):
        silence(database, event.format(seconds))
    await hand.lap("events")
    asked = (
        "SELECT v.event_id FROM events v JOIN resumer.event_queue q ON q.event_id = v.id ORDER BY 1"
    )
    assert database.run(asked) == [("30",)]
    async with by_hand(database) as another:
        await another.lap("events")
    assert database.run(asked) == [("30",), ("90",)]
