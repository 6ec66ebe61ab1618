"""A look that takes long is cut short, and nothing is missed for that."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import IsolationLevel

from resumer_daemon.daemon import scan_window
from resumer_daemon.daemon.scan_window import (
    FULL_SCAN_AFTER,
    HELP_AFTER,
    MARGIN,
    SLOW,
    IdHistory,
    ScanWindow,
)
from resumer_daemon.store import inbox
from resumer_daemon.store.claim import UNBOUNDED
from resumer_daemon.store.inbox import ScanBounds
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Session
from tests.harness import Database, eventually_sync
from tests.harness.running import processor, running
from tests.harness.service import Service, allow, ask

NEVER: dict[str, Any] = {"poll_interval": 3600.0, "reconcile_interval": 3600.0}
LONG_AGO = """
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, due_at)
SELECT execution_id, 'approval', id, 'approved', clock_timestamp() - interval '1 hour'
FROM approval_requests WHERE execution_id = %s"""
APPROVE = "UPDATE approval_requests SET status = 'approved' WHERE execution_id = %s"
SETTLED = """
INSERT INTO resumer.resume_requests (execution_id, kind, due_at)
SELECT gen_random_uuid(), 'adopt', clock_timestamp() - interval '1 hour'
FROM generate_series(1, 20000);
INSERT INTO resumer.resume_requests (execution_id, kind, due_at)
SELECT gen_random_uuid(), 'timeout', clock_timestamp() + interval '2 days'
FROM generate_series(1, 20000);
INSERT INTO resumer.event_queue (event_id, event_type)
SELECT gen_random_uuid(), 'paid' FROM generate_series(1, 20000);
INSERT INTO resumer.leases (execution_id, lease_until)
SELECT gen_random_uuid(), clock_timestamp() - interval '1 hour' FROM generate_series(1, 20000);
INSERT INTO resumer.outbox (key, execution_id, kind, body, next_at)
SELECT n, gen_random_uuid(), 'notify', '{}', clock_timestamp() - interval '1 hour'
FROM generate_series(1, 20000) AS n;
DELETE FROM resumer.resume_requests;
DELETE FROM resumer.event_queue;
UPDATE resumer.leases SET lease_until = NULL;
UPDATE resumer.outbox SET state = 'delivered'"""
ALL_THE_WAY = {"back": UNBOUNDED, "around": UNBOUNDED, "after": 0}
SHORT = {"back": 5.0, "around": 5.0, "after": 10**9}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(scan_window, "monotonic", clock)
    return clock


def looks(window: ScanWindow, clock: Clock, *, seconds: float, found: int = 0) -> float:
    """Look once, for so many seconds; return how far back that went."""
    began, back = clock.now, window.lookback()
    clock.now += seconds
    window.observe(back, began, seconds, found)
    return back


def test_a_quick_look_goes_all_the_way_each_time(clock: Clock):
    window = ScanWindow()
    assert [looks(window, clock, seconds=SLOW / 2) for _ in range(3)] == [UNBOUNDED] * 3
    assert window.full_scan_in() is None


def test_one_that_finds_much_may_take_long(clock: Clock):
    window = ScanWindow()
    assert [looks(window, clock, seconds=1, found=200) for _ in range(3)] == [UNBOUNDED] * 3


def test_after_a_long_look_that_found_nothing_looks_are_short_for_a_while(clock: Clock):
    window = ScanWindow()
    assert looks(window, clock, seconds=0.5) == UNBOUNDED
    assert window.full_scan_in() is None  # it was all there was, and may sleep
    assert looks(window, clock, seconds=0.1) == pytest.approx(0.5 + MARGIN)
    assert looks(window, clock, seconds=0.1, found=3) == pytest.approx(0.6 + MARGIN)
    assert window.full_scan_in() == pytest.approx(FULL_SCAN_AFTER - 0.7)
    assert not window.wants_help
    clock.now += HELP_AFTER
    assert window.wants_help
    clock.now += FULL_SCAN_AFTER
    assert window.full_scan_in() == 0
    assert looks(window, clock, seconds=SLOW / 2) == UNBOUNDED
    assert looks(window, clock, seconds=SLOW / 2) == UNBOUNDED


def test_a_look_of_another_lane_lets_this_one_go_on_with_short_ones(clock: Clock):
    window = ScanWindow()
    looks(window, clock, seconds=0.5)
    clock.now += HELP_AFTER
    window.observe(UNBOUNDED, clock.now - 0.2, 0.2, 1)
    assert looks(window, clock, seconds=0.1) == pytest.approx(0.2 + MARGIN)
    assert not window.wants_help


def test_where_something_was_left_the_next_look_goes_all_the_way(clock: Clock):
    window = ScanWindow()
    looks(window, clock, seconds=0.5)
    window.reset()
    assert looks(window, clock, seconds=0.5) == UNBOUNDED


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look takes too long."""
    monkeypatch.setattr(scan_window, "SLOW", -1.0)


def test_what_is_older_than_a_short_look_is_found_without_a_poll(
    service: Service, database: Database, slow: None
):
    with running(database, **NEVER):
        old, called = service.paused(), service.paused()
        with database.connect() as silently, silently.transaction():
            silently.execute("SET LOCAL session_replication_role = replica")
            silently.execute(APPROVE, [old])
            silently.execute(LONG_AGO, [old])
        service.decide(service.asked(called)[0], "approved")
        assert service.ended(called)["result"] == "allowed"
        assert service.ended(old)["result"] == "allowed"


def test_what_was_locked_at_a_look_is_found_when_it_is_free(
    service: Service, database: Database, slow: None
):
    with running(database, **NEVER):
        execution = service.paused()
        with database.connect() as other, other.transaction():
            other.execute("SELECT FROM workflow_executions FOR UPDATE")
            service.decide(service.asked(execution)[0], "approved")
            waits = "SELECT count(*) FROM resumer.requests WHERE outcome IS NULL"
            eventually_sync(lambda: database.run(waits) == [(1,)])
        assert service.ended(execution)["result"] == "allowed"


async def test_a_small_batch_that_is_full_cuts_no_look_short(
    service: Service, database: Database, slow: None
):
    for _ in range(2):
        service.start()
    window = ScanWindow()
    batches = processor(database.url, batch_size=1, window=window)
    session = await Store(database.url).session()
    async with session.connection:
        await batches.process_due(session)
        assert window.lookback() == UNBOUNDED
        await batches.process_due(session)
        await batches.process_due(session)  # nothing is left
        assert window.lookback() != UNBOUNDED


async def blocks(session: Session, statement: str, bounds: dict[str, float]) -> int:
    """Return how many blocks a statement looks at."""
    text = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + session.text(statement)
    facts = {"limit": 200, "newest": 0, "without": "{}", "within": 5.0, "seconds": 1.0, **bounds}
    async with session.transaction():
        cursor = await session.connection.execute(text, facts)
    row = await cursor.fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_a_short_look_does_not_go_through_what_an_old_snapshot_keeps(  # P15
    database: Database,
):
    with database.connect() as holder:
        holder.autocommit = False
        holder.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        holder.execute("SELECT count(*) FROM resumer.requests")
        database.run(SETTLED)
        session = await Store(database.url).session()
        async with session.connection:
            for statement in (
                "claim.claim_due",
                "inbox.read_queue_status",
                "inbox.settle_orphans",
                "inbox.insert_event_keys",
                "outbox.claim_messages",
            ):
                assert await blocks(session, statement, ALL_THE_WAY) > 90, statement
                assert await blocks(session, statement, SHORT) < 50, statement


def test_a_trail_tells_an_id_from_before_the_margin(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    monkeypatch.setattr(scan_window, "monotonic", clock)
    trail = IdHistory()
    assert trail.before(MARGIN) == 0
    for newest in range(100, 400):
        trail.add(newest)
        clock.now += 0.1
    for back in (0.0, MARGIN, MARGIN + FULL_SCAN_AFTER):
        seen_at = clock.now - 0.1 * (400 - trail.before(back))
        assert back <= clock.now - seen_at <= back + 1.2
    assert trail.before(MARGIN) == trail.before(MARGIN)
    trail.add(7)  # after a failover to a server that is behind
    assert trail.before(0.0) == 7
    assert trail.before(MARGIN) == 0


async def test_what_is_due_beyond_the_next_look_is_not_told(database: Database):
    later = "INSERT INTO resumer.resume_requests (kind, due_at) VALUES ('timeout', now() + %s)"
    session = await Store(database.url).session()
    async with session.connection:
        found = []
        for seconds in (100, 30, 3):
            database.run(later, timedelta(seconds=seconds))
            async with session.transaction():
                bounds = ScanBounds(within=60.0)
                asked = await inbox.send_status_query(session, bounds, ())
            found.append((await inbox.read_queue_status(asked, bounds)).next_due)
    assert found[0] is None
    assert found[1] is not None
    assert (found[2] or 4.0) <= 3.0
