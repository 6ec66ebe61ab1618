"""The tables are the truth: compare them with the inbox, and mend what no trigger has left.

Level-triggered and by index, in slices of open pauses, round and round. It only inserts requests,
as a trigger would; what they mean is decided under the execution's lock.
"""

from uuid import UUID

import structlog

from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.store.pool import Pool
from resumer_daemon.store.session import Session
from resumer_daemon.store.triggers import GUARD, TRIGGERS, firing
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

SLICE = 10_000
FIRST = UUID(int=0)


class Reconciler:
    """Looks at one slice a beat; at all of them after a reconnect and while a trigger is off."""

    def __init__(self, pool: Pool, metrics: Metrics, wakeup: Wakeup, *, enforces: bool) -> None:
        self._pool = pool
        self._metrics = metrics
        self._wakeup = wakeup
        self._enforces = enforces
        self._after = FIRST
        self._whole_lap = True

    async def beat(self) -> None:
        """Reconcile once; a beat of one slice is one transaction."""
        async with self._pool.session() as session:
            async with session.transaction():
                await session.require_sight()
                await self._triggers(session)
                mended = await self._mend(session, "reconcile_held", "held")
                mended += await self._mend(session, "reconcile_gone", "gone")
                mended += await self._mend(session, "reconcile_events", "event")
                mended += await self._mend(session, "release_holds", "hold")
                mended += await self._foreign(session)
                mended += await self._slice(session)
            while self._whole_lap and self._after != FIRST:
                async with session.transaction():
                    mended += await self._slice(session)
        self._whole_lap = False
        if mended:
            self._wakeup.set("reconcile")

    async def _triggers(self, session: Session) -> None:
        present = await firing(session.connection, session.schema)
        if self._enforces and GUARD not in present:
            log.error("guard_not_enforced", remedy="resumer-daemon migrate up")
        missing = TRIGGERS - present
        self._metrics.triggers_missing.set(len(missing))
        if missing:
            self._whole_lap = True
            log.error(
                "triggers_missing", triggers=sorted(missing), remedy="resumer-daemon migrate up"
            )

    async def _foreign(self, session: Session) -> int:
        """Look where the counts differ; where much may have been missed, whatever they are."""
        if not self._whole_lap:
            cursor = await session.run("count_pauses")
            row = await cursor.fetchone()
            if row is None or row["executions"] == row["records"]:
                return 0
        return await self._mend(session, "reconcile_foreign", "foreign_pause")

    async def _slice(self, session: Session) -> int:
        """Reconcile one slice and move on; after the last one the next lap begins."""
        place = {"after": self._after, "limit": SLICE, "timezone": session.timezone}
        vanished = await session.run("reconcile_vanished", place)
        expiries = await session.run("reconcile_expiries", place)
        decisions = await session.run("reconcile_decisions", place)
        row = await decisions.fetchone()
        found = {
            "vanished": vanished.rowcount,
            "expiry": expiries.rowcount,
            "decision": row["found"] if row else 0,
        }
        self._after = (row["last"] if row else None) or FIRST
        for what, count in found.items():
            self._count(what, count)
        return sum(found.values())

    async def _mend(self, session: Session, statement: str, what: str) -> int:
        cursor = await session.run(statement, {"timezone": session.timezone})
        count = len(await cursor.fetchall())
        self._count(what, count)
        return count

    def _count(self, what: str, count: int) -> None:
        if count:
            self._metrics.reconciled.labels(what).inc(count)
            log.info("reconciled", what=what, count=count)
