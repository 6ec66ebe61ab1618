"""The worker: claim, process a batch, follow up, wait.

During a backlog the overflow worker processes one batch while the server writes the worker's. It
also starts when work arrives during a slow batch, such as one with a large document or behind a
slow trigger of the service. Their claims never overlap, because each skips what the other has
locked.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import perf_counter
from uuid import UUID

import psycopg
import structlog
from msgspec.structs import replace

from resumer_daemon.config import Settings
from resumer_daemon.daemon.after_commit import FollowUp
from resumer_daemon.daemon.batch import BatchFailed, BatchProcessor, BatchResult
from resumer_daemon.daemon.effect_runner import EffectRunner
from resumer_daemon.daemon.event_fan_out import EventFanOut
from resumer_daemon.daemon.failures import is_poison
from resumer_daemon.daemon.instrumentation import Arrival
from resumer_daemon.daemon.isolation import Isolation
from resumer_daemon.daemon.outbox import OutboxDispatcher
from resumer_daemon.daemon.polling import NotifySuppression, Repeater, Wakeup, WakeupSource
from resumer_daemon.errors import NotAllowed, NotMigrated, ResumerError
from resumer_daemon.store.inbox import (
    QueueStatus,
    follow_clock,
    restore_notify,
    search_events,
    settle_orphans,
    suppress_notify,
)
from resumer_daemon.store.migration_history import read_history, require_applied
from resumer_daemon.store.session import Database, Session
from resumer_daemon.telemetry.logs import format_error
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

LOCKED_FIRST, LOCKED_LAST = 0.002, 0.25  # seconds until rows that others had locked are tried again
SLOW_BATCH = 0.05  # seconds of a batch after which the overflow worker starts if work has arrived
RECONNECT_FIRST, RECONNECT_LAST = 0.1, 5.0  # seconds between two attempts after a failure


class Worker:
    """Processes batches until it is stopped.

    `healthy` is False while batches fail. `migrated` is not set before the first connection, nor
    while a migration is missing.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        metrics: Metrics,
        wakeup: Wakeup,
        batches: BatchProcessor,
        overflow: "OverflowWorker",
        isolation: Isolation,
        follow_up: FollowUp,
        effects: EffectRunner,
        outbox: OutboxDispatcher | None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._wakeup = wakeup
        self._batches = batches
        self._overflow = overflow
        self._isolation = isolation
        self._after_commit = follow_up
        self._effects = effects
        self._outbox = outbox
        self._events = EventFanOut(metrics, route=settings.route_events)
        self._stopping = False
        self._retry_in = RECONNECT_FIRST
        self._locked_wait = LOCKED_FIRST
        self._processed = False
        self.migrated = asyncio.Event()
        self.awaits_migration = False  # and that was logged
        self.healthy = False

    def stop(self) -> None:
        """Claim no further batch. The one in progress is finished."""
        self._stopping = True
        self._wakeup.set("active")

    async def run(self) -> None:
        """Work until stopped. After a failure, try again after growing intervals.

        Raises:
            NotAllowed: The database role has more rights than a daemon may have, or too few.
        """
        try:
            await self._run()
        finally:
            await self._overflow.close()
            await self._isolation.close()

    async def _run(self) -> None:
        failed: BatchFailed | None = None
        while not self._stopping:
            try:
                async with self._session() as session:
                    if failed is not None:  # and the database responds: the batch was at fault
                        suspects = failed.executions or await self._batches.select_due(session)
                        self._isolation.take(suspects)
                        failed = None
                    await self._work(session)
            except NotAllowed:
                raise
            except BatchFailed as error:
                failed = error
                self._require_rights(error.error, error.executions)
                self._metrics.batches_failed.inc()
                await self._wait_to_retry("batch_failed", error.error)
            except NotMigrated as error:
                self._note_not_migrated(error)
                await self._wait_to_retry(None, error)
            except (psycopg.Error, ResumerError) as error:
                self._isolation.forget()
                self._note_migrated(seen=False)
                self._require_rights(error)
                await self._wait_to_retry("database_lost", error)

    def _require_rights(self, error: Exception, claimed: Sequence[UUID] = ()) -> None:
        """Raise NotAllowed if the role lacked a right before the first batch.

        Where executions were claimed, a trigger of the service may have refused one. Later on, the
        owner of the tables may give the right back: the worker waits for it.
        """
        lacks = isinstance(error, psycopg.errors.InsufficientPrivilege)
        if lacks and not claimed and not self._processed:
            raise NotAllowed(format_error(error)) from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Connect, check the role and the migrations, and expire leases that nothing here runs."""
        session = await self._database.session("resumer-worker")
        async with session.connection:
            if not self._settings.allow_superuser:
                session.role.require_limited_rights()
            async with session.transaction():
                history = await read_history(session.connection)
            require_applied(history, session.schema)
            self._note_migrated(seen=True)
            await self._effects.expire_unknown(session)
            await self._follow_clock(session)
            yield session

    def _note_not_migrated(self, error: NotMigrated) -> None:
        if not self.awaits_migration and not self._stopping:
            log.warning("not_migrated", error=str(error))
        self.awaits_migration = True
        self.migrated.clear()

    def _note_migrated(self, *, seen: bool) -> None:
        """Let the background tasks run. Without a connection no migration is known to be missing.

        `seen`: the migrations were read, and are complete.
        """
        if seen and self.awaits_migration:
            log.info("migrated")
            self.awaits_migration = False
        if not self.awaits_migration:
            self.migrated.set()

    async def _wait_to_retry(self, event: str | None, error: Exception) -> None:
        """Log a failure and wait, each time longer, until a batch succeeds. None: log nothing."""
        self.healthy = False
        if self._stopping:
            return
        if event is not None:
            log.warning(event, error=format_error(error), retry_in=self._retry_in)
        sqlstate = getattr(error, "sqlstate", None) or "08000"
        self._metrics.database_errors.labels(sqlstate[:2]).inc()
        self._wakeup.clear()  # a notification does not bring the database back
        jittered = self._retry_in * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        await self._wakeup.wait(jittered, "poll")
        self._retry_in = min(self._retry_in * 2, RECONNECT_LAST)

    async def _work(self, session: Session) -> None:
        """Process batch after batch: the main loop of the daemon."""
        suppression = NotifySuppression()
        result: BatchResult | None = None
        woken_by: WakeupSource = "active"
        arrival = Arrival(perf_counter())
        while not self._stopping:
            woken_at = self._wakeup.clear()  # before the claim: a later one must end the next wait
            arrival = _arrival(arrival, result, woken_at)
            with self._relieved(arrival):
                result = await self._process_batch(session, result)
            self._after_commit(result, arrival)
            if result.executions:
                self._metrics.wakeups.labels(woken_by).inc()
            self._start_overflow(result, arrival)
            result = await self._batches.with_status(session, result)
            if result.executions:
                self._locked_wait = LOCKED_FIRST
                suppression.found_work(len(result.executions))
            await self._suppress_notify(session, suppression)
            if result.status is None:
                continue
            more = await self._do_other_work(session, result.status)
            if not more and not result.executions:
                woken_by = await self._wait(session, suppression, result.status)
        if suppression.active:
            await restore_notify(session)

    @contextmanager
    def _relieved(self, arrival: Arrival) -> Iterator[None]:
        """Start the overflow worker if work arrives and the batch is slow."""
        relief = Repeater(SLOW_BATCH, partial(self._relieve, arrival))
        try:
            yield
        finally:
            relief.cancel()

    def _relieve(self, arrival: Arrival) -> None:
        if self._wakeup.is_set:
            self._overflow.start(replace(arrival, known_since=perf_counter()))

    async def _process_batch(self, session: Session, before: BatchResult | None) -> BatchResult:
        """Process a batch. One that holds an unwritable row is repeated, and written in parts.

        Raises:
            BatchFailed: It failed for another reason, or in parts as well.
        """
        after_full = before is not None and before.full
        in_parts = before is not None and bool(before.quarantined)
        try:
            result = await self._batches.process_due(
                session, after_full=after_full, in_parts=in_parts
            )
        except BatchFailed as failed:
            if in_parts or not is_poison(failed.error):
                raise
            log.warning("batch_not_written", error=format_error(failed.error))
            result = await self._batches.process_due(session, after_full=after_full, in_parts=True)
        self._processed = True
        self.healthy, self._retry_in = True, RECONNECT_FIRST  # a session alone proves nothing
        return result

    def _start_overflow(self, result: BatchResult, arrival: Arrival) -> None:
        if result.full or (result.executions and self._batches.wants_help):
            self._overflow.start(replace(arrival, known_since=perf_counter()))

    async def _suppress_notify(self, session: Session, suppression: NotifySuppression) -> None:
        if suppression.is_due:
            await suppress_notify(session)
            suppression.suppressed()

    async def _do_other_work(self, session: Session, status: QueueStatus) -> bool:
        """Do what is due besides requests. Tell whether there may be more of it."""
        if self._outbox is not None and status.message_due:
            self._outbox.dispatch_due(status.bounds.around)
        if status.ahead and await self._follow_clock(session):
            return True
        if status.leases and await self._effects.rescue():
            return True
        if status.searches and await search_events(session):
            return True
        return status.events and await self._events.run_once(session, status.bounds.after)

    async def _follow_clock(self, session: Session) -> int:
        moved = await follow_clock(session)
        if moved:
            log.warning("clock_went_back", requests=moved)
        return moved

    async def _wait(
        self, session: Session, suppression: NotifySuppression, status: QueueStatus
    ) -> WakeupSource:
        """Wait until something may be due, and return the reason."""
        if status.left:
            return await self._wait_for_locked(session, status)
        if suppression.ends:
            await restore_notify(session)
            suppression.restored()
            return "active"
        return await self._wakeup.wait(*min(self._timers(suppression, status)))

    async def _wait_for_locked(self, session: Session, status: QueueStatus) -> WakeupSource:
        """Settle requests without an execution, and wait for executions that others have locked."""
        for kind, outcome in await settle_orphans(session, status.bounds.back):
            self._metrics.requests.labels(kind, outcome).inc()
        seconds = self._locked_wait
        self._locked_wait = min(seconds * 2, LOCKED_LAST)
        return await self._wakeup.wait(seconds, "active")

    def _timers(
        self, suppression: NotifySuppression, status: QueueStatus
    ) -> Iterator[tuple[float, WakeupSource]]:
        """Yield the seconds after which something may be due, and what that is."""
        yield self._wakeup.poll_interval, "poll"
        if (poll := suppression.poll_in(status)) is not None:
            yield poll, "active"
        if (full_scan := self._batches.full_scan_in) is not None:
            yield full_scan, "active"
        if status.next_due is not None:
            yield status.next_due, "timer"
        if self._outbox is not None and (message := status.next_message or 0.0) > 0.0:
            yield message, "timer"


def _arrival(arrival: Arrival, before: BatchResult | None, woken_at: float) -> Arrival:
    """Return when the work of the next batch arrived. `before`: the batch before it."""
    if before is not None and before.leaves_work:
        return arrival
    if before is not None and before.found_nothing:
        return Arrival(woken_at, before.times.read)
    return Arrival(woken_at, arrival.absent_at)


class OverflowWorker:
    """Processes batches beside the worker, from `start` until one of them is not full."""

    def __init__(self, database: Database, batches: BatchProcessor, follow_up: FollowUp) -> None:
        self._database = database
        self._batches = batches
        self._after_commit = follow_up
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self, arrival: Arrival) -> None:
        """Start, unless it is running."""
        if self._task is not None and self._task.done():
            self._task.result()  # an error of this program must not be overlooked
            self._task = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(arrival))

    async def close(self) -> None:
        """Claim no further batch. The one in progress is finished."""
        self._closing = True
        if self._task is not None:
            await self._task

    async def _run(self, arrival: Arrival) -> None:
        """Process batches. The worker meets any failure too, and isolates it."""
        full = False
        try:
            session = await self._database.session("resumer-overflow")
            async with session.connection:
                while not self._closing:
                    result = await self._batches.process_due(session, after_full=full)
                    self._after_commit(result, arrival)
                    full = result.full
                    if not full:
                        return
        except Exception as error:  # a batch may fail with anything
            log.warning("overflow_worker_stopped", error=format_error(error))
