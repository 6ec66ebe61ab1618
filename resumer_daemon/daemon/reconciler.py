"""The tables are the truth: compare them with the inbox, and mend what no trigger has left.

Level-triggered and by index, in slices of open pauses, round and round. It only inserts requests,
as a trigger would; what they mean is decided under the execution's lock. While the triggers are
there nobody waits for it, so that it rests for longer than it works: who decides now goes first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import structlog

from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.store.pool import Pool
from resumer_daemon.store.session import Session
from resumer_daemon.store.triggers import GUARD, TRIGGERS, firing
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

SLICE = 100
EVENTS = 1_000  # events in a slice
SLICES = 100
REST = 9.0  # how much longer than a slice took
FIRST = UUID(int=0)


class Done(NamedTuple):
    """What one slice came to: how much was mended, and whether it was the last one of its lap."""

    mended: int
    last: bool


class Reconciler:
    """Two beats: what is looked at as a whole, and the slices, some a beat.

    All slices after the start and while a trigger is missing.
    """

    def __init__(self, pool: Pool, metrics: Metrics, wakeup: Wakeup, *, enforces: bool) -> None:
        self._pool = pool
        self._metrics = metrics
        self._wakeup = wakeup
        self._enforces = enforces
        self._after = FIRST
        self._moment: str | None = None
        self._event = FIRST
        self._whole_lap = True
        self._new_lap = True
        self._rest = REST

    async def beat(self) -> None:
        """Look whether the triggers are there, and at what is soon looked at: one transaction."""
        async with self._pool.session() as session, session.transaction():
            await session.require_sight()
            await self._triggers(session)
            mended = await self._mend(session, "reconcile_held", "held")
            mended += await self._mend(session, "reconcile_gone", "gone")
            mended += await self._mend(session, "release_holds", "hold")
            if self._new_lap:
                mended += await self._mend(session, "reconcile_blocked", "blocked")
            mended += await self._foreign(session)
        self._wake(mended)

    async def go_on(self) -> None:
        """Reconcile some slices of pauses and of events, or all that are left of a lap."""
        whole_lap = self._whole_lap
        if await self._some(self._slice, whole_lap=whole_lap):
            self._new_lap, self._whole_lap = True, False
        await self._some(self._events, whole_lap=whole_lap)

    async def _some(
        self, reconcile: Callable[[Session], Awaitable[Done]], *, whole_lap: bool
    ) -> bool:
        """Reconcile some slices, each a transaction of its own; tell whether a lap is done."""
        for number in count(1):
            began = monotonic()
            async with self._pool.session() as session, session.transaction():
                await session.require_sight()
                done = await reconcile(session)
            self._wake(done.mended)
            if done.last:
                return True
            if number >= SLICES and not whole_lap:
                return False
            await asyncio.sleep(self._rest * (monotonic() - began))
        raise AssertionError("it counts for ever")

    async def _triggers(self, session: Session) -> None:
        present = await firing(session.connection, session.schema)
        if self._enforces and GUARD not in present:
            log.error("guard_not_enforced", remedy="resumer-daemon migrate up")
        missing = TRIGGERS - present
        self._metrics.triggers_missing.set(len(missing))
        self._rest = 0.0 if missing else REST
        if missing:
            self._whole_lap = True
            log.error(
                "triggers_missing", triggers=sorted(missing), remedy="resumer-daemon migrate up"
            )

    async def _foreign(self, session: Session) -> int:
        """Look for pauses of others where what is paused is not what we have records of.

        The counts tell at once; once a lap it is compared which they are.
        """
        if self._new_lap:
            compared = await session.run("compare_pauses")
        else:
            compared = await session.run("count_pauses")
        row = await compared.fetchone()
        same = row is not None and row["executions"] == row["records"]
        mended = 0 if same else await self._mend(session, "reconcile_foreign", "foreign_pause")
        self._new_lap = False
        return mended

    async def _events(self, session: Session) -> Done:
        """Look for events that no trigger saw in one slice of the last day, and move on."""
        place = {"moment": self._moment, "after": self._event, "limit": EVENTS}
        found = await session.run("reconcile_events", {**place, "timezone": session.timezone})
        row = await found.fetchone()
        self._moment, self._event = (row["moment"], row["after"]) if row else (None, FIRST)
        mended = row["found"] if row else 0
        self._count("event", mended)
        return Done(mended, last=self._moment is None)

    async def _slice(self, session: Session) -> Done:
        """Reconcile one slice of open pauses and move on; after the last one a lap begins."""
        place = {"after": self._after, "limit": SLICE, "timezone": session.timezone}
        vanished = await session.run("reconcile_vanished", place)
        expiries = await session.run("reconcile_expiries", place)
        decisions = await session.run("reconcile_decisions", place)
        row = await decisions.fetchone()
        self._after = (row["last"] if row else None) or FIRST
        found = {
            "vanished": vanished.rowcount,
            "expiry": expiries.rowcount,
            "decision": row["found"] if row else 0,
        }
        for what, number in found.items():
            self._count(what, number)
        return Done(sum(found.values()), last=self._after == FIRST)

    async def _mend(self, session: Session, statement: str, what: str) -> int:
        cursor = await session.run(statement, {"timezone": session.timezone})
        number = len(await cursor.fetchall())
        self._count(what, number)
        return number

    def _count(self, what: str, number: int) -> None:
        if number:
            self._metrics.reconciled.labels(what).inc(number)
            log.info("reconciled", what=what, count=number)

    def _wake(self, mended: int) -> None:
        """Wake the worker, once what it shall find is committed."""
        if mended:
            self._wakeup.set("reconcile")
