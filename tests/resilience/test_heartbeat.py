"""Heartbeats are sent while there are leases, and a daemon without them is declared dead."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest

from resumer_daemon.config import load_settings
from resumer_daemon.daemon import maintenance as rescuer_module
from resumer_daemon.daemon.heartbeat import Heartbeat, Instance
from resumer_daemon.store.leases import LeaseOwner
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually, eventually_sync
from tests.harness.receiver import Receiver, answering, receiver, silent
from tests.harness.running import by_hand, process, running
from tests.harness.service import Service, allow

# a lease that is too long to help: only the missing heartbeats show that a daemon is dead
LONG: dict[str, Any] = {
    "http_allow": "localhost", "lease": "2s", "effect_deadline": "1h", "drain_timeout": "100ms",
}  # fmt: skip

SESSIONS = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'resumer-heartbeat'"


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def sends(service: Service, here: Receiver) -> None:
    act = {"type": "webhook", "url": here.url()}
    service.workflow(
        {"id": "send", "type": "execute", "execute": [act], "next": "release"}, allow()
    )


def beats(database: Database) -> Callable[[], bool]:
    """Return a check that is true after the next heartbeat."""
    beat = "SELECT max(heartbeat_at) FROM resumer.instances"
    before = database.run(beat)
    return lambda: database.run(beat) > before


async def test_busy_loop_and_empty_pool_do_not_delay_heartbeats(
    service: Service, database: Database
):
    async with receiver(silent) as here:
        sends(service, here)

        def work() -> None:
            with running(database, **LONG, pool_size=1) as daemon:
                service.start()
                eventually_sync(lambda: here.requests)
                free = Event()
                daemon.loop.call_soon_threadsafe(free.wait, 30)
                try:
                    for _ in range(3):
                        eventually_sync(beats(database))
                finally:
                    free.set()
                assert daemon.metric("resumer_instances_declared_dead_total") == 0

        await asyncio.to_thread(work)
    assert len(here.requests) == 1


async def test_daemon_without_leases_has_no_heartbeat_connection(
    service: Service, database: Database
):
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    async def patient(writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        await answering()(writer)

    async with receiver(patient) as here:
        sends(service, here)

        def work() -> None:
            with running(database, **LONG):
                assert database.run(SESSIONS) == []
                execution = service.start()
                eventually_sync(lambda: database.run(SESSIONS))
                loop.call_soon_threadsafe(asked.set)
                assert service.ended(execution)["result"] == "allowed"
                eventually_sync(lambda: not database.run(SESSIONS))

        await asyncio.to_thread(work)


async def test_execution_of_a_silent_daemon_is_taken_over_before_lease_end(
    service: Service, tmp_path: Path
):
    async with receiver(silent, answering()) as here:
        sends(service, here)
        execution = service.start()

        def work() -> None:
            with process(service.database, tmp_path / "first.log", **LONG) as first:
                eventually_sync(lambda: here.requests)
                first.kill()
            with process(service.database, tmp_path / "second.log", **LONG) as second:
                assert service.ended(execution)["result"] == "allowed"
                assert second.said("instance_declared_dead")

        await asyncio.to_thread(work)
    assert len({each.headers["idempotency-key"] for each in here.requests}) == 1


async def test_daemon_declared_dead_stops_and_registers_again(
    service: Service, database: Database, tmp_path: Path
):
    async with receiver(silent, answering()) as here:
        sends(service, here)
        execution = service.start()

        def work() -> None:
            with process(database, tmp_path / "first.log", **LONG) as first:
                eventually_sync(lambda: here.requests)
                first.signal(signal.SIGSTOP)
                with process(database, tmp_path / "second.log", **LONG):
                    assert service.ended(execution)["result"] == "allowed"
                first.signal(signal.SIGCONT)
                [died] = eventually_sync(lambda: first.said("declared_dead"))
                assert died["instance"] == first.said("started")[0]["instance"]
                eventually_sync(lambda: alive(database))
                assert service.ended(service.start())["result"] == "allowed"

        await asyncio.to_thread(work)
    assert len(here.requests) == 3  # the stopped daemon sent nothing more of the first execution


def alive(database: Database) -> list[Any]:
    return database.run("SELECT id FROM resumer.instances WHERE NOT dead")


async def test_trust_ends_with_the_silence_when_heartbeats_hang(database: Database):
    owner = LeaseOwner(uuid4(), lease=1.0, effect_deadline=1.0)
    instance = Instance(Store(database.url), owner, load_settings(database_url=database.url))
    heartbeat = Heartbeat(database.url, instance, 0.5, lambda: None)
    assert heartbeat.trusted_until(0.0) > monotonic() + 1_000  # other daemons do not know it yet
    await instance.register()
    heartbeat.start()
    heartbeat.track()
    await eventually(lambda: heartbeat.trusted_until(0.0) > monotonic())
    with database.connect() as connection, connection.transaction():
        connection.execute("SELECT FROM resumer.instances FOR UPDATE")
        await eventually(lambda: heartbeat.trusted_until(0.0) < monotonic())
    await eventually(lambda: heartbeat.trusted_until(0.0) > monotonic())
    await heartbeat.stop()


async def test_daemon_that_was_cut_off_declares_nobody_dead_at_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    clock = iter((100.0, 104.9, 105.0))  # one reading each
    monkeypatch.setattr(rescuer_module, "monotonic", lambda: next(clock))
    database.run(
        "INSERT INTO resumer.instances (id, host, version, silence, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'h', 'v', '1 s', now() - interval '1 minute')"
    )
    database.run(
        "INSERT INTO resumer.leases (execution_id, instance, lease_until, recorded_at)"
        " SELECT gen_random_uuid(), id, 'infinity', now() - interval '1 minute'"
        " FROM resumer.instances"
    )
    past = "SELECT 1 FROM resumer.leases WHERE lease_until <= clock_timestamp()"
    async with by_hand(database, lease="10s", drain_timeout="5s") as hand:
        for _ in range(2):
            await hand.run("daemons")
            assert (len(alive(database)), database.run(past)) == (1, [])
        await hand.run("daemons")
    assert (alive(database), len(database.run(past))) == ([], 1)
