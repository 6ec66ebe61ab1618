"""Conclusions from the local clock: the death of other daemons, and the right to send."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from resumer_daemon.config import load_settings
from resumer_daemon.daemon import effect_sender as senders
from resumer_daemon.daemon import heartbeat as heartbeats
from resumer_daemon.daemon import maintenance as rescuers
from resumer_daemon.daemon.effect_sender import EffectSender
from resumer_daemon.daemon.heartbeat import Heartbeat, Instance
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.store.leases import LeasedExecution, LeaseOwner
from resumer_daemon.store.session import Database as Store
from resumer_daemon.telemetry.metrics import Metrics
from tests.harness import Database
from tests.harness.running import by_hand

SILENCE = 10.0


class Clock:
    """A clock that the test sets. Each reading advances it by `tick` seconds."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 1_000.0
        self.tick = tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def silent_daemon(database: Database) -> None:
    database.run(
        "INSERT INTO resumer.instances (id, host, version, silence, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'h', 'v', '1 s', now() - interval '1 minute')"
    )
    database.run(
        "INSERT INTO resumer.leases (execution_id, instance, lease_until, recorded_at)"
        " SELECT gen_random_uuid(), id, 'infinity', now() - interval '1 minute'"
        " FROM resumer.instances"
    )


async def test_nobody_is_declared_dead_before_a_full_silence_is_observed(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock()
    monkeypatch.setattr(rescuers, "monotonic", clock)
    silent_daemon(database)
    async with by_hand(database, lease=2 * SILENCE, drain_timeout=SILENCE) as hand:
        for later, dead in ((0.0, False), (SILENCE - 1, False), (1.0, True)):
            clock.now += later
            await hand.run("daemons")
            assert database.run("SELECT dead FROM resumer.instances") == [(dead,)], clock.now


def beating(database: Database) -> Heartbeat:
    instance = Instance(
        Store(database.url), LeaseOwner(uuid4(), 1.0, 1.0), load_settings(database_url=database.url)
    )
    instance.registered = True
    database.run(
        "INSERT INTO resumer.instances (id, host, version, silence) VALUES (%s, 'h', 'v', '10 s')",
        instance.id,
    )
    return Heartbeat(database.url, instance, SILENCE, lambda: None)


async def test_heartbeat_counts_from_when_it_was_sent(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    """The database dates it between sending and response, and other daemons use that date."""
    clock = Clock(tick=5.0)
    monkeypatch.setattr(heartbeats, "monotonic", clock)
    heartbeat = beating(database)
    heartbeat._beat()
    assert heartbeat.trusted_until(0.0) == 1_005.0 + SILENCE
    heartbeat._close()


class Client:
    """An HTTP client that only notes what it would send."""

    def __init__(self) -> None:
        self.sent: list[Effect] = []

    def using(self, _secrets: object) -> "Client":
        return self

    async def send(self, effect: Effect, **_options: object) -> EffectResult:
        self.sent.append(effect)
        return EffectResult()


@pytest.mark.parametrize(
    ("slept", "trusted", "sends"),
    [(0.0, 1_100.0, True), (61.0, 1_100.0, False), (0.0, 1_000.0, False), (59.0, 1_100.0, True)],
    ids=["in time", "its lease is past", "others may think it dead", "just in time"],
)
async def test_nothing_is_sent_after_another_daemon_may_take_over(
    monkeypatch: pytest.MonkeyPatch, slept: float, trusted: float, sends: bool
):
    clock, client = Clock(), Client()
    monkeypatch.setattr(senders, "monotonic", clock)
    settings = load_settings(
        database_url="postgresql:///nowhere", lease="60s", effect_deadline="1s"
    )
    alive: Any = SimpleNamespace(trusted_until=lambda _recorded: trusted)
    effect: Any = Effect("p", "k", "webhook", {"url": "http://a.example/"}, 1, "at_least_once")
    pending: Any = SimpleNamespace(effects=(effect,))
    leased = LeasedExecution(uuid4(), 1, pending, clock.now)
    owner = LeaseOwner(uuid4(), 60.0, 1.0)
    pool: Any = SimpleNamespace(require=lambda: asyncio.sleep(0))
    sender = EffectSender(client, pool, settings, owner, alive, Metrics(), None)  # type: ignore[arg-type]
    clock.now += slept
    result = await sender.send(leased, effect)
    assert (client.sent == [effect], result is not None) == (sends, sends)
