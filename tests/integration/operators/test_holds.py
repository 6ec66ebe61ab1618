"""Holds: a workflow or everything stops, nothing is lost, and it goes on at a bounded rate."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest

from resumer_daemon.store import claim
from resumer_daemon.store.leases import fence, lock_expired
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Session
from tests.harness import Database, eventually, eventually_sync, every_vintage
from tests.harness.receiver import answering, receiver
from tests.harness.running import by_hand, running
from tests.harness.service import Rows, Service, allow, ask


@contextmanager
def refused(sqlstate: str, text: str) -> Iterator[None]:
    with pytest.raises(psycopg.Error, match=text) as caught:
        yield
    assert caught.value.sqlstate == sqlstate
    assert caught.value.diag.message_hint


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with running(database, http_allow="localhost"):
        yield Service(database)


def hold(service: Service, what: str, ttl: str | None = None) -> None:
    service.database.run("SELECT resumer.hold(%s, 'stock count', 'mia', %s::interval)", what, ttl)


def release(service: Service, what: str, per_second: int = 50) -> int:
    [(going,)] = service.database.run("SELECT resumer.release(%s, 'mia', %s)", what, per_second)
    return int(going)


def all_held(service: Service, execution: UUID, *kinds: str) -> None:
    eventually_sync(
        lambda: [k for k, _, o in service.requests(execution) if o == "held"] == list(kinds),
        of=f"{kinds} are held: {service.requests(execution)}",
    )


@pytest.mark.parametrize("what", ["flow", "*"])
def test_a_decision_and_a_start_wait_for_the_release(service: Service, what: str):
    service.workflow(ask(), allow())
    paused = service.paused()
    hold(service, what)
    service.decide(service.asked(paused)[0], "approved")
    queued = service.start()
    all_held(service, paused, "approval")
    all_held(service, queued, "start")
    assert service.standing(paused)[0] == "paused"
    assert service.standing(queued)[0] == "pending"
    assert release(service, what) == 2
    assert service.ended(paused)["result"] == "allowed"
    service.until(queued, "paused")


SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM pg_advisory_xact_lock_shared(7); RETURN new; END $$",
    "CREATE TRIGGER slow BEFORE UPDATE ON resumer.resume_requests FOR EACH ROW"
    " WHEN (new.outcome = 'held') EXECUTE FUNCTION slow()",
)
WAITING = "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database()"


async def test_a_release_lets_go_what_is_being_kept_at_this_moment(service: Service):
    service.workflow(ask(), allow())
    execution = await asyncio.to_thread(service.paused)
    hold(service, "flow")
    for statement in SLOW:
        service.database.run(statement)
    with service.database.connect() as stops, stops.transaction():
        stops.execute("SELECT pg_advisory_xact_lock(7)")
        service.decide(service.asked(execution)[0], "approved")
        await eventually(lambda: ("advisory",) in service.database.run(WAITING))
        releasing = asyncio.create_task(asyncio.to_thread(release, service, "flow"))
        await eventually(lambda: ("transactionid",) in service.database.run(WAITING))
    assert await releasing == 1
    assert (await asyncio.to_thread(service.ended, execution))["result"] == "allowed"


async def test_who_waits_for_an_execution_stops_no_release(service: Service):
    """A person who has locked an execution and then releases would be in a deadlock with us."""
    execution = service.insert("workflow_executions", execution_id="e", status="running")
    service.workflow(allow())
    hold(service, "flow")
    session = await Store(service.database.url).session()
    async with session.connection, session.transaction():
        with service.database.connect() as person, person.transaction(force_rollback=True):
            person.execute("SELECT FROM workflow_executions FOR UPDATE")
            fencing = asyncio.create_task(fence(session, execution, 1))
            await eventually(lambda: ("transactionid",) in service.database.run(WAITING))
            assert person.execute("SELECT resumer.release('flow')").fetchone() == (0,)
        assert await fencing is False  # it has no lease


def test_a_hold_that_is_being_released_keeps_nothing_any_more(service: Service):
    """Else it would be kept for ever: the release has looked for what it lets go already."""
    service.workflow(ask(), allow())
    execution = service.paused()
    hold(service, "flow")
    with service.database.connect() as other, other.transaction():
        other.execute("SELECT resumer.release('flow')")
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"


def test_another_workflow_goes_on(service: Service):
    service.workflow(allow(), name="held")
    service.workflow(allow(), name="free")
    hold(service, "held")
    assert service.ended(service.start("free"))["result"] == "allowed"


def test_a_cancel_passes_a_hold(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    hold(service, "*")
    service.database.run("SELECT resumer.cancel(%s)", execution)
    assert service.ended(execution)["status"] == "cancelled"


def test_a_hold_whose_time_is_over_is_released_by_itself(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    hold(service, "flow", "1 hour")
    service.decide(service.asked(execution)[0], "approved")
    all_held(service, execution, "approval")
    service.database.run("UPDATE resumer.holds SET until = now()")
    assert service.ended(execution)["result"] == "allowed"
    [(by, released)] = service.database.run(
        "SELECT released_by, released_at IS NOT NULL FROM resumer.holds"
    )
    assert (by, released) == ("its time is over", True)


# P6: it returned no row, so that nobody heard of it
async def test_the_end_of_a_hold_is_counted_and_wakes_the_worker(database: Database, rows: Rows):
    held(database, rows, 3)
    async with by_hand(database) as hand:
        await hand.run("holds")
        assert hand.counted("resumer_reconciled_total", kind="hold") == 0
        database.run("UPDATE resumer.holds SET until = now()")
        await hand.lap("holds", limit=2)
        assert hand.counted("resumer_reconciled_total", kind="hold") == 3
        assert await hand.wakeup.wait(0.0, "poll") == "reconcile"
    assert database.run("SELECT going, ended_at IS NOT NULL FROM resumer.holds") == [(3, True)]


def held(database: Database, rows: Rows, many: int) -> list[UUID]:
    """Hold a workflow, and keep starts of it; return the executions in this order."""
    rows.workflow("flow")
    database.run("SELECT resumer.hold('flow')")
    for _ in range(many):
        database.run("SELECT resumer.start('flow')")
    started = database.run("UPDATE resumer.resume_requests SET outcome = 'held' RETURNING 1")
    assert len(started) == many
    return [
        execution
        for (execution,) in database.run(
            "SELECT execution_id FROM resumer.resume_requests ORDER BY id"
        )
    ]


# P6: 400,000 in one statement, with two functions for each of them, took 72 s
async def test_a_release_lets_go_in_slices_who_was_stopped_first_and_then_the_oldest(
    database: Database, rows: Rows
):
    """And at its rate, from one slice to the next."""
    executions = held(database, rows, 5)
    stopped = executions[3]
    database.run(
        "INSERT INTO resumer.pauses (execution_id, number, reason, manual_pause)"
        " VALUES (%s, 1, 'manual', '{\"number\": 1}')",
        stopped,
    )
    database.run(
        "UPDATE resumer.holds SET released_at = now(), released_by = 'mia', per_second = 2"
    )
    async with by_hand(database) as hand:
        await hand.lap("holds", limit=2)
        assert hand.counted("resumer_reconciled_total", kind="hold") == 5
    going = database.run(
        "SELECT execution_id, kind, due_at FROM resumer.resume_requests"
        " WHERE outcome IS NULL AND actor = 'mia' ORDER BY due_at"
    )
    executions.remove(stopped)
    assert [(execution, kind) for execution, kind, _ in going] == [
        (stopped, "manual"), *((execution, "adopt") for execution in executions),
    ]  # fmt: skip
    due = [at for _, _, at in going]
    assert all(b - a >= timedelta(seconds=0.5) for a, b in pairwise(due))


async def test_what_is_held_anew_during_a_release_waits_for_the_next(
    database: Database, rows: Rows
):
    held(database, rows, 3)
    database.run("UPDATE resumer.holds SET released_at = now(), released_by = 'mia'")
    database.run("SELECT resumer.end_hold(1, 1)")  # who was stopped: nobody
    assert database.run("SELECT going, more FROM resumer.end_hold(1, 1)") == [(1, True)]
    database.run("SELECT resumer.hold('flow')")
    async with by_hand(database) as hand:
        await hand.lap("holds", limit=10)
        assert hand.counted("resumer_reconciled_total", kind="hold") == 0
    assert database.run("SELECT ended_at IS NOT NULL FROM resumer.holds ORDER BY id") == [
        (True,), (False,),
    ]  # fmt: skip
    assert release(Service(database), "flow") == 3


# P19
async def test_a_hold_in_force_makes_no_look_write_that_finds_nothing(
    database: Database, rows: Rows
):
    rows.workflow("flow")
    database.run("SELECT resumer.hold('flow')")
    session = await Store(database.url).session()
    async with session.connection:
        for look in (claim_all, nothing_again, nothing_past, no_fence):
            async with session.transaction():
                await look(session)
                cursor = await session.connection.execute(
                    "SELECT pg_current_xact_id_if_assigned() IS NULL"
                )
                assert await cursor.fetchone() == (True,), look


async def claim_all(session: Session) -> None:
    assert not (await claim.claim(session, 10, newest=10)).claimed


async def nothing_again(session: Session) -> None:
    await claim.claim_given(session, [])


async def nothing_past(session: Session) -> None:
    assert await lock_expired(session, 10) == []


async def no_fence(session: Session) -> None:
    assert not await fence(session, UUID(int=1), 1)


async def test_what_runs_stops_before_its_next_step_and_goes_on_after_the_release(
    database: Database,
):
    gate, loop = asyncio.Event(), asyncio.get_running_loop()

    async def gated(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await answering()(writer)

    service = Service(database)
    async with receiver(gated) as here:
        act = {"type": "webhook", "url": here.url(), "body": {}}
        send = {"id": "send", "type": "execute", "execute": [act], "next": "release"}
        service.workflow(send, allow())

        def work() -> None:
            with running(database, http_allow="localhost"):
                execution = service.start()
                eventually_sync(lambda: here.requests)
                hold(service, "*")
                loop.call_soon_threadsafe(gate.set)
                service.until(execution, "paused")
                assert service.standing(execution) == ("paused", "manual")
                assert service.steps(execution) == ["send"]
                assert release(service, "*") == 1
                assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(work)
        assert len(here.requests) == 1


def test_what_goes_on_after_a_release_is_due_at_a_bounded_rate(database: Database, rows: Rows):
    rows.workflow("flow")
    database.run("SELECT resumer.hold('*')")
    for _ in range(4):
        database.run("SELECT resumer.start('flow')")
    database.run("UPDATE resumer.resume_requests SET outcome = 'held'")
    [(before,)] = database.run("SELECT clock_timestamp()")
    assert release(Service(database), "*", per_second=2) == 4
    [(after,)] = database.run("SELECT clock_timestamp()")
    due = [
        at
        for (at,) in database.run(
            "SELECT due_at FROM resumer.requests WHERE kind = 'adopt' ORDER BY due_at"
        )
    ]
    between = timedelta(seconds=0.5)
    assert len(due) == 4
    assert all(later - earlier >= between for earlier, later in pairwise(due))
    assert before <= due[0]
    assert due[-1] <= after + 3 * between


def test_what_a_second_hold_keeps_waits_for_that_one(database: Database, rows: Rows):
    rows.workflow("flow")
    database.run("SELECT resumer.hold('*'), resumer.hold('flow'), resumer.start('flow')")
    database.run("UPDATE resumer.resume_requests SET outcome = 'held'")
    service = Service(database)
    assert release(service, "flow") == 0
    assert release(service, "*") == 1


def test_what_is_held_of_another_workflow_is_left_alone(database: Database, rows: Rows):
    for name in ("flow", "other"):
        rows.workflow(name)
        database.run("SELECT resumer.start(%s)", name)
    database.run("UPDATE resumer.resume_requests SET outcome = 'held'")
    database.run("SELECT resumer.hold('flow')")
    assert release(Service(database), "flow") == 1


def test_a_time_that_is_kept_is_not_asked_for_again_and_again(service: Service):
    service.workflow(ask(timeout="1h"), allow())
    execution = service.paused()
    hold(service, "flow")
    service.database.run("UPDATE approval_requests SET expires_at = '2020-01-01'")
    service.database.run(
        "UPDATE resumer.resume_requests SET due_at = '2020-01-01' WHERE kind = 'timeout'"
    )
    service.database.run("SELECT resumer.wake()")
    eventually_sync(lambda: ("timeout", None, "held") in service.requests(execution))
    for name in ("one", "two", "three"):  # each ends with a beat, before that looks at expiries
        service.database.run(
            "INSERT INTO resumer.holds (workflow_id, actor, until) VALUES (%s, 'mia', now())", name
        )
        eventually_sync(partial(_over, service, name), of="a beat of the reconciler")
    looks = [request for request in service.requests(execution) if request[0] == "adopt"]
    assert len(looks) <= 1  # one was asked for when the date moved
    release(service, "flow")
    assert service.ended(execution)["result"] == "blocked"
    assert service.decisions(execution) == [("expired", "applied")]


def _over(service: Service, name: str) -> bool:
    return bool(
        service.database.run(
            "SELECT 1 FROM resumer.holds WHERE workflow_id = %s AND released_at IS NOT NULL", name
        )
    )


@every_vintage
def test_what_a_hold_and_a_release_refuse(database: Database, rows: Rows):
    rows.workflow("flow")
    database.run("SELECT resumer.hold('flow')")
    with refused("RZ409", "flow is on hold already"):
        database.run("SELECT resumer.hold('flow')")
    with refused("RZ404", "no workflow 'flo'"):
        database.run("SELECT resumer.hold('flo')")
    with refused("RZ409", "everything is not on hold"):
        database.run("SELECT resumer.release('*')")
    for wrong in ("resumer.hold('')", "resumer.hold(NULL)", "resumer.hold('*', ttl => '0s')"):
        with refused("RZ422", "a hold needs a workflow"):
            database.run(f"SELECT {wrong}")
    with refused("RZ422", "at least one execution a second"):
        database.run("SELECT resumer.release('flow', per_second => 0)")


def test_a_hold_of_one_organization_leaves_the_others_alone(database: Database):
    database.run("SELECT resumer.hold('*', organization_id => gen_random_uuid())")
    with running(database):
        service = Service(database)
        service.workflow(allow())
        assert service.ended(service.start())["result"] == "allowed"


@pytest.mark.parametrize("vintage", ["v5"])
def test_a_release_lets_go_what_is_of_its_organization_alone(database: Database):
    service = Service(database)
    own = service.owner["organization_id"]
    service.workflow(allow())
    [(other,)] = database.run(
        "INSERT INTO organizations (name, slug) VALUES ('other', 'other') RETURNING id"
    )
    service.workflow(allow(), name="theirs", organization=other)
    ours, _ = service.start(), service.start("theirs")
    database.run("SELECT resumer.hold('*', organization_id => %s)", own)
    database.run("UPDATE resumer.resume_requests SET outcome = 'held'")
    database.run("SELECT resumer.release('*', 'mia', organization_id => %s)", own)
    assert database.run("SELECT execution_id FROM resumer.resume_requests WHERE actor = 'mia'") == [
        (ours,)
    ]


def test_a_resume_or_a_retry_that_would_only_wait_is_refused(service: Service):
    service.workflow({"id": "wait", "type": "wait", "wait": {"event": "paid"}}, allow())
    execution = service.paused()
    hold(service, "flow")
    with refused("RZ409", "flow is on hold by mia"):
        service.database.run("SELECT resumer.resume(%s)", execution)
    incident = service.incident("broken")
    hold(service, "broken")
    with refused("RZ409", "broken is on hold by mia"):
        service.database.run("SELECT resumer.retry(%s)", incident)
