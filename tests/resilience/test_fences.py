"""The statements on leases tell an old epoch from the current one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from resumer_daemon.store import leases, outbox
from resumer_daemon.store.arrays import array
from resumer_daemon.store.leases import LeaseOwner
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Session
from tests.harness import Database
from tests.harness.service import Service

OURS, OTHERS = uuid4(), uuid4()
OLD, CURRENT = 1, 2


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    made = await Store(database.url).session("resumer-test")
    async with made.connection:
        yield made


@pytest.fixture
def execution(database: Database) -> UUID:
    """A running execution whose lease this daemon has, in its second epoch."""
    made = Service(database).insert("workflow_executions", execution_id="e", status="running")
    leased(database, made)
    return made


def leased(database: Database, execution: UUID, **changed: object) -> None:
    facts = {"instance": OURS, "epoch": CURRENT, "claims": 3, "until": "1 hour", "ago": "0"}
    database.run(
        "INSERT INTO resumer.leases (execution_id, instance, epoch, takeovers, lease_until,"
        " recorded_at) VALUES (%s, %s, %s, %s, now() + %s::interval, now() - %s::interval)",
        execution, *(facts | changed).values(),
    )  # fmt: skip


def lease(database: Database) -> tuple[Any, ...]:
    """Return the lease: owner, epoch, takeovers, and whether it is held, past or released."""
    [row] = database.run(
        "SELECT instance, epoch, takeovers, CASE WHEN lease_until IS NULL THEN 'released'"
        " WHEN lease_until < now() + interval '30 minutes' THEN 'past' ELSE 'held' END"
        " FROM resumer.leases"
    )
    return row


async def fenced(session: Session, execution: UUID, epoch: int) -> bool:
    async with session.transaction():
        return await leases.fence(session, execution, epoch)


async def test_new_lease_after_a_deleted_one_has_a_higher_epoch(
    session: Session, database: Database
):
    """Otherwise a daemon that was suspended before the release could write after it."""
    execution = Service(database).insert("workflow_executions", execution_id="e", status="running")
    seen = []
    for _ in range(3):
        async with session.transaction():
            await session.run("leases.take_leases", taking(execution))
        seen.append(lease(database)[1])
        database.run("UPDATE resumer.leases SET lease_until = now()")
        seen += await rescued(session)
        async with session.transaction():
            await leases.delete(session, [execution])
        assert database.run("SELECT FROM resumer.leases") == []
        for epoch in seen:
            assert not await fenced(session, execution, epoch)
    assert seen == sorted(set(seen))


def taking(execution: UUID) -> dict[str, object]:
    ids, seconds, states, definitions = (array([each]) for each in (execution, 60.0, "{}", "d"))
    return {
        "instance": OURS, "execution_ids": ids, "seconds": seconds, "states": states,
        "definitions": definitions,
    }  # fmt: skip


async def test_fence_passes_the_current_epoch_only(
    session: Session, database: Database, execution: UUID
):
    assert not await fenced(session, execution, OLD)
    assert lease(database) == (OURS, CURRENT, 3, "held")
    assert await fenced(session, execution, CURRENT)
    assert lease(database) == (OURS, CURRENT, 0, "held")


async def test_fence_does_not_pass_a_released_lease(
    session: Session, database: Database, execution: UUID
):
    database.run("UPDATE resumer.leases SET lease_until = NULL")
    assert not await fenced(session, execution, CURRENT)


async def test_fence_does_not_pass_an_ended_execution(
    session: Session, database: Database, execution: UUID
):
    database.run("UPDATE workflow_executions SET status = 'cancelled'")
    assert not await fenced(session, execution, CURRENT)


async def test_old_epoch_cannot_requeue(session: Session, database: Database, execution: UUID):
    async with session.transaction():
        await leases.requeue(session, execution, OLD, 1.0)
    assert lease(database) == (OURS, CURRENT, 3, "held")
    async with session.transaction():
        await leases.requeue(session, execution, CURRENT, 1.0)
    assert lease(database) == (None, CURRENT, 0, "past")


async def test_old_epoch_cannot_expire_a_lease(
    session: Session, database: Database, execution: UUID
):
    async with session.transaction():
        await leases.expire(session, {execution: OLD})
    assert lease(database) == (OURS, CURRENT, 3, "held")
    async with session.transaction():
        await leases.expire(session, {execution: CURRENT})
    assert lease(database) == (OURS, CURRENT, 3, "past")


async def rescued(session: Session) -> list[int]:
    async with session.transaction():
        found = await leases.rescue(session, LeaseOwner(OTHERS, 3600.0, 1.0), 10)
    return [each.epoch for each in found]


async def test_rescue_raises_the_epoch_and_counts_a_takeover(
    session: Session, database: Database, execution: UUID
):
    assert await rescued(session) == []
    assert lease(database) == (OURS, CURRENT, 3, "held")
    database.run("UPDATE resumer.leases SET lease_until = now()")
    assert await rescued(session) == [CURRENT + 1]
    assert lease(database) == (OTHERS, CURRENT + 1, 4, "held")


@pytest.mark.parametrize(
    ("changed", "ours"),
    [
        ({}, True),
        ({"instance": OTHERS}, False),
        ({"epoch": CURRENT + 1}, False),
        ({"claims": 1}, False),
    ],
    ids=["as recorded", "another instance", "a newer epoch", "taken over"],
)
async def test_is_recorded_only_for_the_lease_as_it_was_written(
    session: Session, database: Database, changed: dict[str, object], ours: bool
):
    execution = uuid4()
    leased(database, execution, **({"claims": 0} | changed))
    owner = LeaseOwner(OURS, 1.0, 1.0)
    async with session.transaction():
        assert await leases.is_recorded(session, owner, execution, CURRENT) == ours


@pytest.mark.parametrize(
    ("beat", "recorded", "dies"),
    [("1 minute", "1 minute", True), ("0", "1 minute", False), ("1 minute", "0", False)],
    ids=["silent", "it beat", "it recorded"],
)
async def test_daemon_without_heartbeat_and_record_is_dead(
    session: Session, database: Database, beat: str, recorded: str, dies: bool
):
    database.run(
        "INSERT INTO resumer.instances (id, host, version, silence, heartbeat_at)"
        " VALUES (%s, 'h', 'v', '10 s', now() - %s::interval)",
        OURS,
        beat,
    )
    leased(database, uuid4(), ago=recorded)
    async with session.transaction():
        found = await session.run("maintenance.mark_dead_instances", {"sure": True, "limit": 10})
    assert await found.fetchone() == {"dead": [OURS] if dies else [], "freed": int(dies)}


async def test_only_the_latest_claim_settles_a_message(session: Session, database: Database):
    database.run(
        "INSERT INTO resumer.outbox (key, execution_id, kind, body)"
        " VALUES ('k', %s, 'notify', '{}')",
        uuid4(),
    )
    [first] = await outbox.claim(session, 10, 0.0)
    [second] = await outbox.claim(session, 10, 3600.0)
    assert await outbox.claim(session, 10, 0.0) == []
    assert not await outbox.settle(session, first, "dead", [])
    assert await outbox.settle(session, second, "delivered", [])
    assert not await outbox.settle(session, replace(second), "dead", [])
    assert database.run("SELECT state FROM resumer.outbox") == [("delivered",)]
