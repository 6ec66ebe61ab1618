"""The reconciler goes through all that is paused in slices: all of it first, then some a beat."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from resumer_daemon.daemon import reconciler
from resumer_daemon.daemon.reconciler import Reconciler
from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.store.database import Database as Store
from resumer_daemon.store.pool import Pool
from resumer_daemon.telemetry.metrics import Metrics
from tests.harness import Database
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

PAUSED = 5
ENDS = (
    "UPDATE workflow_executions SET status = 'completed'"
    " WHERE id = (SELECT id FROM workflow_executions LIMIT 1)"
)
BEGINS = "INSERT INTO workflow_executions (execution_id, status) VALUES ('other', 'paused')"
FOUND = "SELECT count(*) FROM resumer.requests WHERE kind = 'approval'"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = Pool(Store(database.url), 1)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLICE": 2, "SLICES": 1, "REST": 0.0}.items():
        monkeypatch.setattr(reconciler, name, value)


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
    database: Database, pool: Pool, small: None
):
    await asyncio.to_thread(decided_silently, database)
    wakeup = Wakeup()
    reconciles = Reconciler(pool, Metrics(), wakeup, enforces=False)
    await reconciles.go_on()
    assert database.run(FOUND) == [(PAUSED,)]
    assert await wakeup.wait(0.0, "poll") == "reconcile"
    database.run("DELETE FROM resumer.resume_requests WHERE kind = 'approval'")
    found = []
    for _ in range(3):
        await reconciles.go_on()
        [(count,)] = database.run(FOUND)
        found.append(count)
    assert found == [2, 4, PAUSED]


async def test_which_are_paused_is_compared_once_a_lap_and_how_many_each_time(
    database: Database, pool: Pool, small: None
):
    await asyncio.to_thread(decided_silently, database)
    metrics = Metrics()
    reconciles = Reconciler(pool, metrics, Wakeup(), enforces=False)
    await reconciles.beat()
    silence(database, ENDS)
    silence(database, BEGINS)

    def foreign() -> float:
        labels = {"what": "foreign_pause"}
        return metrics.registry.get_sample_value("resumer_reconciled_total", labels) or 0.0

    await reconciles.beat()
    assert foreign() == 0
    await reconciles.go_on()  # to the end of the lap
    await reconciles.beat()
    assert foreign() == 2


# C28
async def test_events_that_no_trigger_saw_are_found_in_slices_even_where_all_came_at_once(
    database: Database, pool: Pool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconciler, "EVENTS", 10)
    silence(
        database,
        "INSERT INTO resumer.event_waits (execution_id, pause_number, event_type)"
        " VALUES (gen_random_uuid(), 1, 'paid');"
        "INSERT INTO events (event_id, event_type, payload, received_at) SELECT n::text,"
        " CASE WHEN n % 5 = 0 THEN 'other' ELSE 'paid' END, '{}',"
        " CASE WHEN n < 35 THEN now() AT TIME ZONE 'UTC' ELSE 'infinity' END"
        " FROM generate_series(1, 45) AS n",
    )
    reconciles = Reconciler(pool, Metrics(), Wakeup(), enforces=False)
    for _ in range(2):
        await reconciles.go_on()
        assert database.run(
            "SELECT count(*), count(DISTINCT event_id) FROM resumer.event_queue"
        ) == [(36, 36)]
