"""One batch in one transaction: claim, load inputs, plan, write. Unwritable rows stop alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from uuid import UUID

import structlog
from msgspec.structs import replace

from resumer_daemon.config import Settings
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.scan_window import ScanWindow, StatusQuery, StatusReader
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.daemon.write_in_parts import Written, write_in_parts
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.plan import Plan
from resumer_daemon.engine.planner import (
    Definitions,
    plan_claimed,
    plan_internal_error,
    plan_unreadable,
)
from resumer_daemon.frozen import Frozen
from resumer_daemon.store import claim
from resumer_daemon.store.claim import UNBOUNDED, Batch, RequestTimes
from resumer_daemon.store.definition_cache import DefinitionCache
from resumer_daemon.store.inbox import QueueStatus
from resumer_daemon.store.inputs import load_inputs
from resumer_daemon.store.leases import (
    LeasedExecution,
    LeaseOwner,
    leased_executions,
    record_pending_effects,
)
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Session

log = structlog.get_logger()

NEWEST_PART = 4  # behind a full batch, one in so many executions is of the newest, for fairness


class BatchTimes(Frozen):
    """The times at which a batch was read, was planned and was committed, on `perf_counter`."""

    read: float
    planned: float
    committed: float


class BatchResult(Frozen):
    """A committed batch.

    `full`: the claim took as many executions as it may, so more are due. `lookback`: how many
    seconds back the claim scanned. `status`: the queue behind the batch, None if it was not read.
    """

    executions: Sequence[UUID]
    plans: Sequence[Plan]
    quarantined: Sequence[UUID]
    leased: Sequence[LeasedExecution]
    requests: Mapping[int, RequestTimes]
    times: BatchTimes
    full: bool
    lookback: float
    status: QueueStatus | None

    @property
    def leaves_work(self) -> bool:
        """True if work is due that this batch did not claim."""
        return self.full or (self.status is not None and self.status.left > 0)

    @property
    def found_nothing(self) -> bool:
        """True if a scan of the whole queue found nothing due, locked or not."""
        return not (self.executions or self.leaves_work) and self.lookback == UNBOUNDED


class BatchFailed(Exception):
    """A batch failed with `error`. `executions`: what it had claimed.

    It has written nothing, unless the response to the COMMIT was lost.
    """

    def __init__(self, error: Exception, executions: Sequence[UUID]) -> None:
        super().__init__(str(error))
        self.error = error
        self.executions = executions


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed batch, and how the scan went that found it."""

    batch: Batch
    full: bool = False
    lookback: float = UNBOUNDED


Claim = Callable[[Session], Awaitable[Claimed]]
Write = Callable[[Session, Sequence[Plan]], Awaitable[Written]]


class BatchProcessor:
    """Processes batches on a session.

    `window` bounds the scans, and `full_scans` makes each of them unbounded. `capacity` returns how
    many executions may run their effects here. `reader` reads the status of the
    queue. It is None for workers that do not wait.
    """

    def __init__(
        self,
        settings: Settings,
        definitions: DefinitionCache,
        owner: LeaseOwner,
        capacity: Callable[[], int],
        window: ScanWindow,
        suspects: Suspects,
        newer: NewerStates,
        *,
        reader: StatusReader | None = None,
        full_scans: bool = False,
    ) -> None:
        self._settings = settings
        self._definitions = definitions
        self._owner = owner
        self._capacity = capacity
        self._window = window
        self._suspects = suspects
        self._newer = newer
        self._reader = reader
        self._full_scans = full_scans

    async def process_due(
        self, session: Session, *, after_full: bool = False, in_parts: bool = False
    ) -> BatchResult:
        """Process executions with something due, the oldest first.

        `after_full`: the batch before was full. `in_parts`: write in parts, because some execution
        is expected to be unwritable.

        Raises:
            BatchFailed: It failed. Nothing was written, unless the response to the COMMIT was lost.
        """
        claim_due = partial(self._claim_due, after_full=after_full)
        write = self._write_in_parts if in_parts else self._write_together
        try:
            return await self._process(session, claim_due, write)
        except BatchFailed:
            self._window.reset()  # what it had claimed is still due
            raise

    async def process_given(self, session: Session, executions: Sequence[UUID]) -> BatchResult:
        """Process these executions, except locked ones. Those that cannot be written stop alone.

        Raises:
            BatchFailed: It failed. Nothing was written, unless the response to the COMMIT was lost.
        """
        claim_given = partial(_claim_given, executions=executions)
        return await self._process(session, claim_given, self._write_in_parts)

    async def _process(self, session: Session, claim_batch: Claim, write: Write) -> BatchResult:
        claimed = Claimed(Batch([], [], {}))
        recorded_at, read_at = monotonic(), perf_counter()
        try:
            async with session.transaction():
                claimed = await claim_batch(session)
                read_at = perf_counter()
                plans = await self._plan(session, claimed.batch)
                planned_at = perf_counter()
                written = await write(session, plans) if plans else Written()
                # without a claim no row is locked, so the query delays nobody
                query = None if plans else await self._send_status_query(session, claimed.lookback)
        except Exception as error:  # a batch may fail with anything: see daemon/suspects.py
            raise BatchFailed(error, claimed.batch.ids) from error
        times = BatchTimes(read_at, planned_at, perf_counter())
        self._definitions.mark_stored(written.plans)
        return BatchResult(
            executions=claimed.batch.ids,
            plans=written.plans,
            quarantined=written.quarantined,
            leased=leased_executions(written.plans, written.epochs, recorded_at),
            requests=claimed.batch.requests,
            times=times,
            full=claimed.full,
            lookback=claimed.lookback,
            status=await self._fetch_status(query),
        )

    async def _claim_due(self, session: Session, *, after_full: bool) -> Claimed:
        size = self._settings.batch_size
        newest = size // NEWEST_PART if after_full else 0
        lookback = UNBOUNDED if self._full_scans else self._window.lookback()
        began = monotonic()
        batch = await claim.claim(session, size - newest, newest, lookback, self._excluded)
        full = len(batch.ids) >= size - newest
        self._window.observe(lookback, began, batch.took, len(batch.ids))
        if full:  # a small batch may be full of next to nothing
            self._window.reset()
        return Claimed(batch, full, lookback)

    async def _plan(self, session: Session, batch: Batch) -> list[Plan]:
        """Plan what the executions of a batch do next. Other tasks run in between."""
        self._newer.add(batch.newer)
        if not batch.ids:
            return []
        definitions = await self._definitions.load_definitions(session, batch.claimed)
        inputs = await load_inputs(session, self._settings, batch.claimed, definitions, batch.now)
        plans = []
        for each in batch.claimed:
            last_step = inputs.steps.get(each.id)
            plans.append(plan_execution(each, definitions, inputs.for_execution(each), last_step))
            if inputs.allowance.used_up():  # HTTP, heartbeats and other batches come first now
                await asyncio.sleep(0)
        return plans + [plan_unreadable(u.claimed, u.why, u.cause) for u in batch.unreadable]

    async def _write_together(self, session: Session, plans: Sequence[Plan]) -> Written:
        return Written(plans, await self._write(session, plans, 0))

    async def _write_in_parts(self, session: Session, plans: Sequence[Plan]) -> Written:
        return await write_in_parts(session, plans, partial(self._write, session))

    async def _write(
        self, session: Session, plans: Sequence[Plan], leases: int
    ) -> Mapping[UUID, int]:
        await record(session, plans, self._definitions.copies)
        capacity = max(0, self._capacity() - leases)
        return await record_pending_effects(session, plans, self._owner, capacity)

    async def with_status(self, session: Session, result: BatchResult) -> BatchResult:
        """Return a batch with the status of the queue behind it, where a read is due."""
        due = self._reader is not None and self._reader.is_due(bool(result.executions))
        if not due or result.status is not None:
            return result
        async with session.transaction():
            query = await self._send_status_query(session, result.lookback)
        return replace(result, status=await self._fetch_status(query))

    async def _send_status_query(self, session: Session, lookback: float) -> StatusQuery | None:
        if self._reader is None:
            return None
        return await self._reader.send(session, lookback, self._excluded)

    async def _fetch_status(self, query: StatusQuery | None) -> QueueStatus | None:
        if self._reader is None or query is None:
            return None
        status = await self._reader.fetch(query)
        if status.left and query.bounds.back == UNBOUNDED:
            self._window.reset()
        return status

    @property
    def wants_help(self) -> bool:
        """True when another worker should make a full scan."""
        return self._window.wants_help

    @property
    def full_scan_in(self) -> float | None:
        """The seconds until a full scan is due, None if the last one was full."""
        windows = [self._window] if self._reader is None else [self._window, self._reader.window]
        times = (window.full_scan_in() for window in windows)
        return min((time for time in times if time is not None), default=None)

    async def select_due(self, session: Session) -> list[UUID]:
        """Return the executions that a claim would lock now."""
        async with session.transaction():
            return await claim.lock_due(session, self._settings.batch_size, without=self._excluded)

    @property
    def _excluded(self) -> list[UUID]:
        return [*self._newer.executions, *self._suspects.ids]


async def _claim_given(session: Session, executions: Sequence[UUID]) -> Claimed:
    return Claimed(await claim.claim_given(session, executions))


def plan_execution(
    claimed: ClaimedExecution,
    definitions: Definitions,
    inputs: AdvanceInputs,
    last_step: str | None,
) -> Plan:
    """Plan one execution. An error of this program stops it as an incident, and not the worker."""
    try:
        return plan_claimed(claimed, definitions, inputs, last_step)
    except Exception as error:  # the engine promises to raise nothing: this is the net under it
        log.exception("planning_failed", execution=str(claimed.id))
        return plan_internal_error(claimed, f"{type(error).__name__}: {error}")
