"""A statement of the daemon touches as many buffers beside millions of rows as beside few.

`docs/buffers.md` has the figures. `make test-scale ARGS=--record` writes them anew.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, plans
from tests.harness.crowd import (
    BATCH,
    EVENTS,
    Crowd,
    fill,
    loop,
    never_vacuumed,
    paused,
    without_indexes,
)
from tests.harness.database import Databases
from tests.harness.plans import Parameters

TABLE = Path(__file__).parents[2] / "docs" / "buffers.md"
BEGIN = "| Statement | Small | Large | With an old snapshot |\n|---|---|---|---|\n"

SMALL = Crowd(finished=1_000, paused=1_000, events=1_000)
LARGE = Crowd(finished=400_000, paused=400_000, events=1_000_000)
SETTLED = 100_000
"""Requests, events and leases that were settled while a session holds its snapshot."""

COUNTS = {
    "gauges.read_pauses": "counts what is paused, at most once in fifty times its own duration",
    "gauges.read_requests": "counts up to 10,001 requests, at a scrape",
    "gauges.read_server": "counts leases, at a scrape",
    "inbox.follow_clock": "goes through up to 100,000 timers, once a connection",
}
"""Statements whose buffers grow with the table, and why that is bounded."""

Figures = tuple[int, int, int]


@pytest.fixture(scope="module")
def figures(databases: Databases) -> Mapping[str, Figures]:
    """The buffers of each statement: beside few rows, many, and many with an old snapshot."""
    with databases.fresh("v5", migrated=True) as database:
        small = _buffers(_filled(database, SMALL), _statements(SMALL))
    with databases.fresh("v5", migrated=True) as database:
        large = _buffers(_filled(database, LARGE), _statements(LARGE))
        with _old_snapshot(database):
            _settle_many(database)
            old = _buffers(database, _bounded(_statements(LARGE)))
    return {name: (small[name], large[name], old[name]) for name in sorted(small)}


def _statements(crowd: Crowd) -> dict[str, Parameters]:
    """Return the statements with the same work beside each crowd: one wait for an event."""
    return loop(BATCH, crowd) | {"record.requeue_past_events": {"ids": array([paused(1_000)])}}


def _filled(database: Database, crowd: Crowd) -> Database:
    never_vacuumed(database)
    with without_indexes(database):
        fill(database, crowd)
    database.run("VACUUM ANALYZE")
    return database


@contextmanager
def _old_snapshot(database: Database) -> Iterator[None]:
    with database.connect() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM workflows")
        yield


def _settle_many(database: Database) -> None:
    """Leave rows that are deleted, and that the old snapshot keeps in every index."""
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, due_at)"
            " SELECT id, 'approval', gen_random_uuid(), 'approved', now() - interval '1 day'"
            " FROM workflow_executions WHERE status = 'paused' LIMIT %s",
            [SETTLED],
        )
        connection.execute(
            "INSERT INTO resumer.event_queue (id, event_id, event_type) OVERRIDING SYSTEM VALUE"
            " SELECT n, gen_random_uuid(), 'paid' FROM generate_series(1, %s) AS n",
            [SETTLED],
        )
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "DELETE FROM resumer.resume_requests WHERE due_at < now() - interval '12 hours'"
        )
        connection.execute("DELETE FROM resumer.event_queue WHERE id <= %s", [SETTLED])


def _bounded(statements: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Bound the scans of open requests and events, as a `ScanWindow` does."""
    bounds = {"back": 3_600.0, "around": 3_600.0}
    bounded: dict[str, Parameters] = {
        name: {**given, **{key: bounds[key] for key in bounds.keys() & given.keys()}}
        for name, given in statements.items()
    }
    for name in ("inbox.read_queue_status", "inbox.discard_events", "inbox.insert_event_keys"):
        bounded[name] = {**bounded[name], "after": EVENTS}
    return bounded


def _buffers(database: Database, statements: Mapping[str, Parameters]) -> dict[str, int]:
    async def measure() -> dict[str, int]:
        session = await Store(database.url).session()
        async with session.connection:
            for name in statements:
                plans.prepare(session, name)
            # the second time, so that no hint bit and no catalog is read for the first time
            for name, given in statements.items():
                plans.buffers(session, name, given)
            return {name: plans.buffers(session, name, given) for name, given in statements.items()}

    return asyncio.run(measure())


def test_no_statement_touches_more_buffers_beside_large_tables(figures: Mapping[str, Figures]):
    grown = {
        name: each
        for name, each in figures.items()
        if name not in COUNTS and max(each) > 2 * each[0] + 1_000
    }
    assert grown == {}


def test_no_statement_touches_more_buffers_than_recorded(
    figures: Mapping[str, Figures], request: pytest.FixtureRequest
):
    if request.config.getoption("--record"):
        head, _, _ = TABLE.read_text("utf-8").partition(BEGIN)
        rows = (f"| `{name}` | {a:,} | {b:,} | {c:,} |\n" for name, (a, b, c) in figures.items())
        TABLE.write_text(head + BEGIN + "".join(rows), "utf-8")
    recorded = _recorded()
    assert recorded.keys() == figures.keys()
    more = {
        name: (each, recorded[name])
        for name, each in figures.items()
        if any(now > then * 1.3 + 100 for now, then in zip(each, recorded[name], strict=True))
    }
    assert more == {}


def _recorded() -> dict[str, Figures]:
    _, _, table = TABLE.read_text("utf-8").partition(BEGIN)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return {
        name.strip("`"): tuple(int(figure.replace(",", "")) for figure in rest)  # type: ignore[misc]
        for name, *rest in rows
    }
