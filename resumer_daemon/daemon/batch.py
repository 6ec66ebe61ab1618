"""One batch in one transaction: claim, load, plan, write. Unwritable rows stop alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.failures import is_poison
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.polling import ScanWindow, StatusQuery, StatusReader
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.plan import Plan
from resumer_daemon.engine.planner import (
    Definitions,
    plan_claimed,
    plan_internal_error,
    plan_unreadable,
)
from resumer_daemon.store import claim
from resumer_daemon.store.claim import ALL, Batch, RequestTimes
from resumer_daemon.store.inbox import QueueStatus, fail_requests
from resumer_daemon.store.inputs import DefinitionCache, load_inputs
from resumer_daemon.store.leases import (
    LeasedExecution,
    LeaseOwner,
    leased_executions,
    record_pending_effects,
)
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.logs import format_error

log = structlog.get_logger()

PARTS = 8  # two would fail more often, and what has failed was work for nothing

WriteAtEpoch = Callable[[Sequence[Plan], int], Awaitable[dict[UUID, int]]]
"""Writes plans, knowing how many leases are taken already; returns the epochs of its own."""


@dataclass(slots=True)
class Written:
    """What was written: these plans, these leases; `quarantined` were stopped for a person."""

    plans: list[Plan] = field(default_factory=list)
    epochs: dict[UUID, int] = field(default_factory=dict)
    quarantined: list[UUID] = field(default_factory=list)


async def write_isolating_failures(
    session: Session, plans: Sequence[Plan], write: WriteAtEpoch
) -> Written:
    """Write all that can be written of these, and stop alone what cannot."""
    written = Written()
    await _parts(session, plans, write, written)
    return written


async def _parts(
    session: Session, plans: Sequence[Plan], write: WriteAtEpoch, written: Written
) -> None:
    size = -(-len(plans) // PARTS)
    for part in [plans[begin : begin + size] for begin in range(0, len(plans), size)]:
        fault = await _tried(session, part, write, written)
        if fault is None:
            continue
        if len(part) > 1:
            await _parts(session, part, write, written)
        else:
            await _quarantine(session, part[0].claimed, fault, write, written)


async def _tried(
    session: Session, plans: Sequence[Plan], write: WriteAtEpoch, written: Written
) -> str | None:
    """Write these or nothing of them; return what is wrong with one of them."""
    try:
        async with session.savepoint():
            epochs = await write(plans, len(written.epochs))
    except (psycopg.Error, ValueError) as error:
        if not is_poison(error):
            raise
        return format_error(error)
    written.plans += plans
    written.epochs |= epochs
    return None


async def _quarantine(
    session: Session, claimed: ClaimedExecution, fault: str, write: WriteAtEpoch, written: Written
) -> None:
    """Stop one execution; where even that cannot be written, its requests fail."""
    written.quarantined.append(claimed.id)
    log.error("execution_quarantined", execution=str(claimed.id), error=fault)
    worse = await _tried(session, [plan_unreadable(claimed, fault)], write, written)
    if worse is not None:
        log.error("requests_failed", execution=str(claimed.id), error=worse)
        await fail_requests(session, claimed.id, fault)


NEWEST = 4  # this part of a batch is of what came last

Claim = Callable[[Session], Awaitable[Batch]]
Write = Callable[[Session, Sequence[Plan]], Awaitable[Written]]


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """The times at which a turn had read, had advanced and had committed, on `perf_counter`."""

    seen: float
    advanced: float
    committed: float


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a turn that is committed.

    `outlook` is None where the turn has claimed something: there may be more.
    """

    claimed: Sequence[UUID]
    plans: Sequence[Plan]
    seen: Mapping[int, RequestTimes]
    outlook: QueueStatus | None
    times: BatchTimes
    held: Sequence[LeasedExecution]
    quarantined: Sequence[UUID]


class BatchProcessor:
    """Takes turns on a session. `backlog`: the last one was full, so that more is waiting.

    `wary`: the last one held poison, so that the next is written in parts at once. `whole`: all of
    its looks go all the way back. `left`: executions that a newer version must go on with.
    `tried`: what the last turn had claimed, as far as it came; after a failure others hold it.
    """

    def __init__(
        self,
        settings: Settings,
        library: DefinitionCache,
        holder: LeaseOwner,
        places: Callable[[], int],
        horizon: ScanWindow,
        suspects: Suspects | None = None,
        *,
        whole: bool = False,
        left: NewerStates | None = None,
    ) -> None:
        self._settings = settings
        self._library = library
        self._holder = holder
        self._places = places
        self._lookout = StatusReader(settings)
        self.horizon = horizon
        self._left = NewerStates() if left is None else left
        self._suspects = suspects or Suspects()
        self._whole = whole
        self._back = ALL
        self.backlog = False
        self.wary = False
        self.tried: Sequence[UUID] = ()

    async def take(self, session: Session) -> BatchResult:
        """Claim what is due, answer all of it, commit."""
        write = self._apart if self.wary else self._together
        self.tried = ()
        try:
            turned = await self._turn(session, self._claim, write)
        except Exception as error:
            self.wary = is_poison(error)
            self.horizon.forget()  # what it had claimed is open still
            raise
        self.wary = bool(turned.quarantined)
        return turned

    async def take_apart(self, session: Session, executions: Sequence[UUID]) -> BatchResult:
        """Do that with these, of which some cannot be written: those are stopped alone."""
        again = partial(claim.claim_again, executions=executions)
        return await self._turn(session, again, self._apart)

    async def _turn(self, session: Session, claimed: Claim, write: Write) -> BatchResult:
        written = Written()
        seen = advanced = perf_counter()
        recorded = monotonic()
        async with session.transaction():
            batch = await claimed(session)
            self._left.add(batch.newer)
            if ids := batch.ids:
                self.tried = ids
                seen = perf_counter()
                plans = await self._respond(session, batch)
                advanced = perf_counter()
                written = await write(session, plans)
            # where nothing was claimed, nothing is locked that others wait for
            asked = None if ids else await self._ask(session)
        times = BatchTimes(seen, advanced, perf_counter())
        self._library.kept(written.plans)
        held = leased_executions(written.plans, written.epochs, recorded)
        outlook = None if asked is None else await self._answer(asked)
        return BatchResult(
            ids, written.plans, batch.seen, outlook, times, held, written.quarantined
        )

    async def look_around(self, session: Session, turned: BatchResult) -> QueueStatus | None:
        """Return what is left after a turn, where it is time to ask; the turn is committed."""
        if not self._lookout.wanted(turned.claimed) or turned.outlook is not None:
            return turned.outlook
        async with session.transaction():
            asked = await self._ask(session)
        return await self._answer(asked)

    async def _ask(self, session: Session) -> StatusQuery:
        return await self._lookout.ask(session, self._back, self._without)

    async def _answer(self, asked: StatusQuery) -> QueueStatus:
        outlook = await self._lookout.answer(asked)
        if outlook.left and self._back == ALL:
            self.horizon.forget()
        return outlook

    @property
    def again_in(self) -> float | None:
        """The seconds after which to look all the way back, after a short look."""
        times = (self.horizon.again_in(), self._lookout.horizon.again_in())
        return min((time for time in times if time is not None), default=None)

    async def _together(self, session: Session, plans: Sequence[Plan]) -> Written:
        return Written(list(plans), await self._write(session, plans, 0))

    async def _apart(self, session: Session, plans: Sequence[Plan]) -> Written:
        return await write_isolating_failures(session, plans, partial(self._write, session))

    async def _write(self, session: Session, plans: Sequence[Plan], taken: int) -> dict[UUID, int]:
        await record(session, plans, self._library.copies)
        places = max(0, self._places() - taken)
        return await record_pending_effects(session, plans, self._holder, places)

    async def _claim(self, session: Session) -> Batch:
        """Claim a batch; behind a full one a part of what came last, for fairness."""
        size = self._settings.batch_size
        newest = size // NEWEST if self.backlog else 0
        began, self._back = monotonic(), ALL if self._whole else self.horizon.back()
        batch = await claim.claim(session, size - newest, newest, self._back, self._without)
        self.backlog = len(batch.ids) >= size - newest
        self.horizon.looked(self._back, began, batch.took, len(batch.ids))
        if self.backlog:  # a small batch may be full of next to nothing
            self.horizon.forget()
        return batch

    async def due(self, session: Session) -> list[UUID]:
        """Return what a claim would hold now, and let go of it."""
        async with session.transaction():
            return await claim.lock(session, self._settings.batch_size, without=self._without)

    @property
    def _without(self) -> list[UUID]:
        return [*self._left.executions, *self._suspects.ids]

    async def _respond(self, session: Session, batch: Batch) -> list[Plan]:
        programs = await self._library.programs(session, batch.claimed)
        around = await load_inputs(session, self._settings, batch.claimed, programs, batch.now)
        plans = []
        for each in batch.claimed:
            plans.append(
                plan_execution(each, programs, around.world(each), around.steps.get(each.id))
            )
            if around.allowance.used_up():  # HTTP, heartbeats and other turns come first now
                await asyncio.sleep(0)
        return plans + [plan_unreadable(u.claimed, u.why, u.cause) for u in batch.unreadable]


def plan_execution(
    claimed: ClaimedExecution, programs: Definitions, world: AdvanceInputs, last_step: str | None
) -> Plan:
    """Respond; a fault of ours stops this execution for a person, and not the loop."""
    try:
        return plan_claimed(claimed, programs, world, last_step)
    except Exception as error:  # the engine promises to raise nothing: this is the net under it
        log.exception("planning_failed", execution=str(claimed.id))
        return plan_internal_error(claimed, f"{type(error).__name__}: {error}")
