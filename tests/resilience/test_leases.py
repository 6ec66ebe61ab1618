"""Leases: fences, takeovers after a kill, draining, and waiting for capacity."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from resumer_daemon.store import leases
from resumer_daemon.store.session import NOTHING, Session
from resumer_daemon.store.session import Database as Store
from resumer_daemon.workflow.values import load
from tests.harness import Database, eventually, eventually_sync
from tests.harness.receiver import Receiver, answering, receiver, silent
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

T = TypeVar("T")

LEASE: dict[str, Any] = {
    "http_allow": "localhost",
    "lease": "6s",
    "effect_deadline": "2s",
    "drain_timeout": "5s",
}
STOPPED = {**LEASE, "drain_timeout": "500ms"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def sends(service: Service, here: Receiver, **step: Any) -> None:
    act = {"type": "webhook", "url": here.url(), "body": {"who": "{{execution.key}}"}}
    service.workflow(
        {"id": "send", "type": "execute", "execute": [act], "next": "release"} | step, allow()
    )


def keys(here: Receiver) -> list[str]:
    return [each.headers["idempotency-key"] for each in here.requests]


async def slow(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.2)
    await answering()(writer)


SNAPSHOTS = (
    "UPDATE step_executions s SET status = 'zombie' FROM resumer.leases l"
    " WHERE l.execution_id = s.execution_id AND l.epoch = 1",
    "UPDATE step_executions s SET status = 'zombie' WHERE EXISTS"
    " (SELECT FROM resumer.leases l WHERE l.execution_id = s.execution_id AND l.epoch = 1)",
)
LOCK = "SELECT FROM workflow_executions WHERE id = %s FOR NO KEY UPDATE"


def leased(service: Service, **columns: object) -> UUID:
    """Return a running execution with an expired lease of the first epoch."""
    execution = service.insert(
        "workflow_executions", execution_id="e", status="running", context="{}"
    )
    service.database.run(
        "INSERT INTO resumer.leases (execution_id, instance, epoch, lease_until, state, definition)"
        " VALUES (%s, %s, 1, now(), '{}', 'd')",
        execution,
        columns.get("instance"),
    )
    return execution


async def waiting(database: Database) -> None:
    await eventually(
        lambda: database.run("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    )


@pytest.mark.parametrize("statement", SNAPSHOTS)
async def test_fence_as_a_condition_lets_a_zombie_write(
    service: Service, database: Database, statement: str
):
    """A joined or nested fence reads a snapshot from before the rescuer's commit.

    The zombie's write waits for a row that the rescuer has locked. When it continues, PostgreSQL
    reads that row again, but not the lease.
    """
    execution = leased(service)
    service.insert("step_executions", execution_id=execution, step_id="s", status="running")
    rescuer = await psycopg.AsyncConnection.connect(database.url)
    zombie = await psycopg.AsyncConnection.connect(database.url)
    async with rescuer, zombie:
        await rescuer.execute(LOCK, [execution])
        await rescuer.execute("UPDATE resumer.leases SET epoch = 2")
        await rescuer.execute("UPDATE step_executions SET status = 'completed'")
        late = asyncio.create_task(zombie.execute(statement))
        await waiting(database)
        await rescuer.commit()
        assert (await late).rowcount == 1
        await zombie.commit()


async def test_fence_stops_a_zombie_that_waited_for_its_rescuer(
    service: Service, database: Database
):
    execution = leased(service)
    session = await Store(database.url).session()
    rescuer = await psycopg.AsyncConnection.connect(database.url)
    async with session.connection, rescuer:
        await rescuer.execute(LOCK, [execution])
        await rescuer.execute("UPDATE resumer.leases SET epoch = 2")

        async def zombie() -> bool:
            async with session.transaction():
                return await leases.fence(session, execution, 1)

        late = asyncio.create_task(zombie())
        await waiting(database)
        await rescuer.commit()
        assert not await late


async def test_effect_of_a_killed_daemon_is_sent_under_the_same_key(
    service: Service, tmp_path: Path
):
    async with receiver(silent, answering()) as here:
        sends(service, here)
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "first.log", **STOPPED) as first:
                eventually_sync(lambda: here.requests)
                first.kill()
            with process(service.database, tmp_path / "second.log", **LEASE) as second:
                assert service.ended(execution)["result"] == "allowed"
                assert second.said("lease_rescued")

        await beside(work)
    assert len(keys(here)) == 2
    assert len(set(keys(here))) == 1
    assert here.requests[0].body == here.requests[1].body


async def test_takeover_of_a_delayed_retry_extends_the_lease(service: Service, tmp_path: Path):
    """Otherwise it ends before the attempt, again and again, until the execution is an incident.

    The receiver answers the fourth attempt after the test has read the leases.
    """
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    async def patient(writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        await answering()(writer)

    long = {"lease": "6s", "effect_deadline": "1h"}
    lease = (
        "SELECT instance, lease_until >= coalesce(next_at, recorded_at) + interval '1 hour'"
        " FROM resumer.leases JOIN resumer.effects USING (execution_id)"
    )
    fourth = "SELECT 1 FROM resumer.effects WHERE attempts = 4"
    async with receiver(*[answering(status=500)] * 3, patient) as here:
        sends(service, here, retry={"max_attempts": 4})
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "first.log", **STOPPED | long) as first:
                eventually_sync(lambda: service.database.run(fourth))
                [(killed, outlasts)] = service.database.run(lease)
                assert outlasts, "the delay, and an hour for the attempt"
                first.kill()
            with running(service.database, **LEASE | long) as second:
                eventually_sync(lambda: service.database.run(lease)[0][0] != killed)
                assert service.database.run(lease)[0][1]
                loop.call_soon_threadsafe(asked.set)
                assert service.ended(execution)["result"] == "allowed"
                assert second.metric("resumer_leases_rescued_total") == 1

        await beside(work)


async def test_drain_waits_for_an_effect_in_flight(service: Service, tmp_path: Path):
    async with receiver(slow) as here:
        sends(service, here)
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "log", **LEASE) as daemon:
                eventually_sync(lambda: here.requests)
                daemon.signal(signal.SIGTERM)
                eventually_sync(lambda: not daemon.running)

        await beside(work)
    assert service.look(execution)["result"] == "allowed"
    assert len(keys(here)) == 1


async def test_drain_leaves_the_next_effects_to_other_daemons(service: Service, tmp_path: Path):
    """Nothing is cut off, so nothing is sent twice. The drain does not wait for a retry."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    async def patient(writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        await answering()(writer)

    async with receiver(patient, answering(status=503), answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        later = {"max_attempts": 2, "backoff": "linear"}
        first = {"id": "first", "type": "execute", "execute": [act], "next": "second"}
        second = {"id": "second", "type": "execute", "execute": [act, act], "retry": later}
        service.workflow(first, second)
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "first.log", **LEASE) as daemon:
                eventually_sync(lambda: here.requests)
                daemon.signal(signal.SIGTERM)
                eventually_sync(lambda: daemon.said("draining"))
                loop.call_soon_threadsafe(asked.set)
                assert daemon.wait() == 0
            assert len(here.requests) == 1
            with running(service.database, **LEASE):
                assert service.ended(execution)["result"] == "executed"

        await beside(work)
    assert len(keys(here)) == 4
    assert len(set(keys(here))) == 3  # the 503 was tried again


async def test_drain_releases_unfinished_executions_at_once(service: Service, tmp_path: Path):
    long = {**STOPPED, "lease": "1h", "effect_deadline": "1m"}
    async with receiver(silent, answering()) as here:
        sends(service, here)
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "first.log", **long) as first:
                eventually_sync(lambda: here.requests)
                first.signal(signal.SIGTERM)
                eventually_sync(lambda: not first.running)
            with running(service.database, **long):
                assert service.ended(execution)["result"] == "allowed"

        await beside(work)
    assert len(set(keys(here))) == 1


@asynccontextmanager
async def doubtful(service: Service, log: Path) -> AsyncIterator[tuple[UUID, Receiver]]:
    """Kill a daemon while it sends an at-most-once effect. Yield its execution and receiver."""
    async with receiver(silent, answering()) as here:
        sends(service, here, delivery="at_most_once")
        execution = service.start()

        def work() -> None:
            with process(service.database, log, **STOPPED) as first:
                eventually_sync(lambda: here.requests)
                first.kill()
            with running(service.database, **LEASE):
                service.until(execution, "paused")

        await beside(work)
        yield execution, here


async def test_at_most_once_effect_is_never_sent_again(service: Service, tmp_path: Path):
    async with doubtful(service, tmp_path / "log") as (execution, here):
        assert service.pause(execution)["incident"]["cause"] == "ambiguous_effect"
        assert len(here.requests) == 1


async def test_retry_may_skip_an_ambiguous_effect(service: Service, tmp_path: Path):
    async with doubtful(service, tmp_path / "log") as (execution, here):
        [key] = keys(here)
        ask_retry(service, execution, skip_effect=key)
        await beside(lambda: finished(service, execution))
        assert len(here.requests) == 1
    assert service.database.run("SELECT status, response FROM resumer.effects") == [
        ("done", {"skipped": True, "skipped_by": "mia", "skip_reason": "they have it"})
    ]


async def test_retry_may_send_an_ambiguous_effect_again(service: Service, tmp_path: Path):
    async with doubtful(service, tmp_path / "log") as (execution, here):
        ask_retry(service, execution)
        await beside(lambda: finished(service, execution))
        assert len(keys(here)) == 2
        assert len(set(keys(here))) == 1


async def test_retry_may_continue_from_another_step(service: Service, tmp_path: Path):
    async with doubtful(service, tmp_path / "log") as (execution, here):
        ask_retry(service, execution, from_step="release")
        await beside(lambda: finished(service, execution))
        assert len(here.requests) == 1
    assert service.steps(execution) == ["release"]


async def test_invalid_retry_is_refused_or_fails(service: Service, tmp_path: Path):
    async with doubtful(service, tmp_path / "log") as (execution, here):
        [key] = keys(here)
        with pytest.raises(psycopg.Error, match="needs an actor and a reason"):
            service.database.run("SELECT resumer.retry(%s, skip_effect => %s)", execution, key)
        with pytest.raises(psycopg.Error, match="waits for no effect other"):
            ask_retry(service, execution, skip_effect="other")
        ask_retry(service, execution, from_step="nowhere")

        def work() -> None:
            with running(service.database, **LEASE):
                eventually_sync(lambda: ("retry", None, "failed") in service.requests(execution))

        await beside(work)
    assert service.look(execution)["status"] == "paused"


def ask_retry(service: Service, execution: UUID, **named: str) -> None:
    names = "".join(f", {name} => %s" for name in named)
    service.database.run(
        f"SELECT resumer.retry(%s, 'they have it', 'mia'{names})", execution, *named.values()
    )


def finished(service: Service, execution: UUID) -> None:
    with running(service.database, **LEASE):
        assert service.ended(execution)["result"] == "allowed"


async def test_incident_of_an_unreadable_row_names_what_was_sent(service: Service):
    gate = asyncio.Event()

    async def gated(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await answering()(writer)

    async with receiver(gated) as here:
        sends(service, here, delivery="at_most_once")
        with running(service.database, **LEASE):
            execution = service.start()
            await eventually(lambda: len(here.requests) == 1)
            own = "SET LOCAL resumer.own = 'on'"  # the guard would keep the documents of what runs
            write = "UPDATE workflow_executions SET context = %s::jsonb"
            [(before,)] = service.database.run("SELECT context::text FROM workflow_executions")
            with service.database.connect() as writer, writer.transaction():
                writer.execute(own)
                writer.execute(write, ['{"a": ' + "9" * 5_000 + "}"])
            gate.set()
            status = "SELECT status FROM workflow_executions"
            await eventually(lambda: service.database.run(status) == [("paused",)])
            service.database.run(write, before)
            incident = service.pause(execution)["incident"]
            assert incident["cause"] == "row_unreadable"
            assert incident["detail"].endswith(f"already sent: {keys(here)[0]}")
            assert service.database.run("SELECT status FROM resumer.effects") == [("done",)]
            ask_retry(service, execution)
            await beside(lambda: finished(service, execution))
        assert len(set(keys(here))) == 1


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_executions_beyond_the_capacity_wait_and_are_all_sent(
    service: Service, database: Database, delivery: str
):
    """An execution that waits for capacity is not lost and does not fail."""
    few = {**LEASE, "concurrency": 2}
    async with receiver(slow) as here:
        sends(service, here, delivery=delivery)
        executions = [service.start() for _ in range(60)]

        def work() -> list[float]:
            with running(database, **few) as first, running(database, **few) as second:
                for execution in executions:
                    assert service.ended(execution)["result"] == "allowed"
                name = "resumer_leases_rescued_total"
                assert [each.metric(name) for each in (first, second)] == [0, 0]
                return [each.metric("resumer_effects_total") for each in (first, second)]

        shares = await beside(work)
    assert sorted(keys(here)) == sorted(set(keys(here)))
    assert sum(shares) == 60
    assert min(shares) > 0  # they wait in the database, so both daemons take some


async def test_daemon_leases_twice_its_concurrency(service: Service, database: Database):
    held = "SELECT count(*) FILTER (WHERE instance IS NOT NULL), count(*) FROM resumer.leases"
    async with receiver(silent) as here:
        sends(service, here)
        for _ in range(10):
            service.start()

        def work() -> None:
            with running(
                database, **STOPPED | {"concurrency": 2, "effect_deadline": "1m", "lease": "3m"}
            ):
                eventually_sync(lambda: database.run(held) == [(4, 10)])

        await beside(work)


async def test_waiting_for_a_host_longer_than_a_lease_fails_nothing(service: Service):
    """Eight at a time for half a second each: the last one waits longer than its lease lasts."""

    async def slower(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await answering()(writer)

    short = {**STOPPED, "lease": "1500ms", "effect_deadline": "1s"}
    async with receiver(slower) as here:
        sends(service, here)
        executions = [service.start() for _ in range(60)]

        def work() -> None:
            with running(service.database, **short) as daemon:
                for execution in executions:
                    assert service.ended(execution)["result"] == "allowed"
                assert daemon.metric("resumer_leases_rescued_total") == 0

        await beside(work)
    assert len(keys(here)) == len(set(keys(here))) == 60


# C55
@pytest.mark.parametrize("lease", ["300ms", "30s"])
async def test_lease_shorter_than_the_effect_deadline_leaves_time_to_send(
    service: Service, lease: str
):
    short = {**STOPPED, "lease": lease, "effect_deadline": "30s", "drain_timeout": "100ms"}
    async with receiver(answering()) as here:
        sends(service, here)

        def work() -> None:
            with running(service.database, **short) as daemon:
                assert service.ended(service.start())["result"] == "allowed"
                assert daemon.metric("resumer_leases_rescued_total") == 0

        await beside(work)
    assert len(keys(here)) == 1


async def test_fifty_hanging_effects_block_neither_decisions_nor_heartbeats(
    service: Service,
):
    """The pool has two connections. There are seven receivers, because a host has eight slots."""
    long = {**LEASE, "effect_deadline": "1h", "drain_timeout": "100ms"}
    held = "SELECT execution_id, epoch FROM resumer.leases WHERE lease_until > now() ORDER BY 1"
    beats = "SELECT 1 FROM resumer.instances WHERE heartbeat_at > %s"
    async with AsyncExitStack() as stack:
        heres = [await stack.enter_async_context(receiver(silent)) for _ in range(7)]
        for number, here in enumerate(heres):
            act = {"type": "webhook", "url": here.url()}
            service.workflow({"id": "send", "type": "execute", "execute": [act]}, name=f"{number}")
        service.workflow(ask(), allow(), name="asks")

        def work() -> None:
            with running(service.database, **long, pool_size=2) as daemon:
                for number in range(50):
                    service.start(f"{number % 7}")
                eventually_sync(lambda: sum(len(here.requests) for here in heres) == 50)
                leases = service.database.run(held)
                for _ in range(5):
                    [(now,)] = service.database.run("SELECT now()")
                    execution = service.paused("asks")
                    service.decide(service.asked(execution)[0], "approved")
                    assert service.ended(execution)["result"] == "allowed"
                    eventually_sync(partial(service.database.run, beats, now))
                assert len(leases) == 50
                assert service.database.run(held) == leases
                assert daemon.metric("resumer_instances_declared_dead_total") == 0

        await asyncio.to_thread(work)
    assert sum(len(here.requests) for here in heres) == 50


# C50
async def test_results_of_many_effects_are_recorded_together(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
):
    written, run = [], Session.run

    async def counted(session: Session, statement: str, facts: Any = NOTHING, *given: Any) -> Any:
        if statement == "leases.insert_intents":
            written.extend(facts["keys"].split(","))
        return await run(session, statement, facts, *given)

    monkeypatch.setattr(Session, "run", counted)
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        inner = [{"id": f"s{number}", "type": "execute", "execute": [act]} for number in range(20)]
        outer = [
            {"id": f"p{number}", "type": "parallel", "parallel": {"steps": inner}}
            for number in range(10)
        ]
        all_of_it = {"id": "all", "type": "parallel", "next": "release", "steps": outer}
        service.workflow(all_of_it, allow())
        execution = service.start()

        def work() -> None:
            with running(database, **LEASE):
                assert service.ended(execution)["result"] == "allowed"

        await beside(work)
    assert len(set(keys(here))) == 200
    [(transactions,)] = database.run("SELECT count(DISTINCT xmin::text) FROM resumer.effects")
    assert transactions < 60
    assert len(written) == 200, "each intent is written once"


# C50
async def test_large_context_is_parsed_once_for_a_foreach(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
):
    parsed = []

    def counted(text: str) -> Any:
        parsed.append(len(text))
        return load(text)

    monkeypatch.setattr("resumer_daemon.store.claim.load", counted)
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url("/{{item}}")}
        send = {"id": "send", "type": "execute", "execute": [act]}
        body = {"items": "{{items}}", "item_var": "item", "steps": [send]}
        service.workflow({"id": "each", "type": "foreach", "next": "release", **body}, allow())
        execution = service.start(payload={"items": list(range(20)), "text": "x" * 100_000})

        def work() -> None:
            with running(database, **LEASE):
                assert service.ended(execution)["result"] == "allowed"

        await beside(work)
    assert len(set(keys(here))) == 20
    assert sum(size > 100_000 for size in parsed) == 1
