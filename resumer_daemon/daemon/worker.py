"""The worker: claim, process a batch, follow up, wait.

During a backlog a second worker processes one batch while the server writes the other. Their
claims never overlap, because each skips what the other has locked.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg
import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.batch import BatchProcessor, BatchResult
from resumer_daemon.daemon.effect_runner import EffectRunner
from resumer_daemon.daemon.failures import is_poison
from resumer_daemon.daemon.instrumentation import Tracing, account
from resumer_daemon.daemon.isolation import Isolation
from resumer_daemon.daemon.outbox import OutboxDispatcher
from resumer_daemon.daemon.polling import NotifySuppression, Source, Wakeup
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.errors import NotAllowed, ResumerError
from resumer_daemon.store.inbox import (
    ALL_WAITS,
    EVENTS_AT_ONCE,
    QueueStatus,
    discard_events,
    fan_out_events,
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

LOCKED_FIRST, LOCKED_LAST = 0.002, 0.25
RECONNECT_FIRST, RECONNECT_LAST = 0.1, 5.0
LEAST_WIDTH = ALL_WAITS // 4**8  # a slice of an event's fan-out that no number of waits makes slow


class BatchFailed(Exception):
    """A turn of the worker failed with `error`, whatever its reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Worker:
    """Claims and answers until it is stopped. `healthy` is false while the database is away."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        metrics: Metrics,
        wakeup: Wakeup,
        turner: BatchProcessor,
        beside: BatchProcessor,
        apart: BatchProcessor,
        suspects: Suspects,
        effector: EffectRunner,
        courier: OutboxDispatcher | None,
        tracing: Tracing | None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._wakeup = wakeup
        self._turner = turner
        self._effector = effector
        self._courier = courier
        self._tracing = tracing
        self._lane = OverflowWorker(database, beside, self._done)
        self._suspects = suspects
        self._isolation = Isolation(database, apart, suspects, metrics, self._done)
        self._failed = False
        self._events = EVENTS_AT_ONCE
        self._width = ALL_WAITS
        self._stopping = False
        self._locked_for = LOCKED_FIRST
        self._source: Source = "active"
        self._heard = 0.0
        self.poll_interval = settings.poll_interval
        self._wait = RECONNECT_FIRST
        self.healthy = False

    def stop(self) -> None:
        """Take no further turn; the one at hand is finished."""
        self._stopping = True
        self._wakeup.set("active")

    async def run(self) -> None:
        """Work until stopped; an outage is waited out with growing pauses.

        Raises:
            NotAllowed: Our role is one that nothing binds.
        """
        try:
            await self._run()
        finally:
            await self._lane.close()
            await self._isolation.close()

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._on_a_session()
            except NotAllowed:
                raise
            except BatchFailed as failed:
                self._failed = True
                self._metrics.batches_failed.inc()
                if not self._stopping:
                    log.warning(
                        "batch_failed", error=format_error(failed.error), retry_in=self._wait
                    )
                await self._wait_out(failed.error)
            except (psycopg.Error, ResumerError) as error:
                self._isolation.forget()
                if not self._stopping:
                    log.warning("database_lost", error=format_error(error), retry_in=self._wait)
                await self._wait_out(error)

    async def _on_a_session(self) -> None:
        session = await self._database.session("resumer-worker")
        async with session.connection:
            if not self._settings.allow_superuser:
                session.role.require_bounds()
            async with session.transaction():
                history = await read_history(session.connection)
            require_applied(history, session.schema)
            await self._effector.release_unknown(session)
            await self._follow_clock(session)
            if self._failed:  # and the database answers: the turn itself was at fault
                # what it had claimed, for another daemon may hold that now; or what is due
                self._isolation.take(self._turner.tried or await self._turner.due(session))
                self._failed = False
            await self._work(session)

    async def _wait_out(self, error: Exception) -> None:
        """Wait longer and longer before the next attempt, until a turn succeeds."""
        self.healthy = False
        if self._stopping:
            return
        self._count(error)
        wait = self._wait
        self._wakeup.clear()  # what has woken us does not bring the database back
        await self._wakeup.wait(wait * random.uniform(0.5, 1.0), "poll")  # noqa: S311 - jitter
        self._wait = min(wait * 2, RECONNECT_LAST)

    def _count(self, error: Exception) -> None:
        sqlstate = getattr(error, "sqlstate", None) or "08000"
        self._metrics.database_errors.labels(sqlstate[:2]).inc()

    async def _work(self, session: Session) -> None:
        vigil, behind = NotifySuppression(), False
        while not self._stopping:
            heard = self._wakeup.clear()  # before the claim: a notify during it must wake us again
            if not behind:  # else what we find now was there before, and waited for us
                self._heard = heard
            turned = await self._look(session)
            self.healthy, self._wait = True, RECONNECT_FIRST  # a session alone proves nothing
            behind = self._behind(turned)
            await self._sleep(turned, session, vigil)
        if vigil.awake:
            await restore_notify(session)

    def _behind(self, turned: BatchResult | None) -> bool:
        """Tell whether a look has left something: more than a batch, or what others hold."""
        if turned is None or self._turner.backlog:
            return True
        return turned.outlook is not None and turned.outlook.left > 0

    async def _look(self, session: Session) -> BatchResult | None:
        """Take a turn; one that holds a poison row is taken again, and written in parts.

        Raises:
            TurnFailed: It failed for another reason, or in parts as well.
        """
        wary = self._turner.wary
        try:
            turned = await self._turner.take(session)
        except Exception as error:  # a turn may fail with anything: see daemon/suspects.py
            if wary or not is_poison(error):
                raise BatchFailed(error) from error
            log.warning("batch_not_written", error=format_error(error))
            return None
        self._done(turned)
        turned = replace(turned, outlook=await self._turner.look_around(session, turned))
        if turned.claimed:
            self._metrics.wakeups.labels(self._source).inc()
        if self._turner.backlog or (turned.claimed and self._turner.horizon.wants_help):
            self._lane.open()
        return turned

    def _done(self, turned: BatchResult) -> None:
        traces = account(turned, self._heard, self._metrics, self._tracing)
        self._metrics.executions_quarantined.inc(len(turned.quarantined))
        self._suspects.moved += sum(plan.status is not None for plan in turned.plans)
        for plan in turned.plans:
            if plan.claimed.status == "running":
                self._effector.wake_branches(plan.claimed.id)
        for held in turned.held:
            self._effector.take(replace(held, trace=traces.get(held.execution)))

    async def _sleep(
        self, turned: BatchResult | None, session: Session, vigil: NotifySuppression
    ) -> None:
        if turned is None or turned.claimed:
            self._locked_for = LOCKED_FIRST
            vigil.worked(0 if turned is None else len(turned.claimed))
        if vigil.stays_awake:
            await suppress_notify(session)
            vigil.said_awake()
        if turned is None or turned.outlook is None:
            return
        self._look_at_messages(turned.outlook)
        if await self._look_beside(turned.outlook, session) or turned.claimed:
            return
        if turned.outlook.left:
            self._settled(await settle_orphans(session, turned.outlook.bounds.back))
            self._source = await self._wakeup.wait(self._locked_for, "active")
            self._locked_for = min(self._locked_for * 2, LOCKED_LAST)
            return
        await self._rest(turned.outlook, session, vigil)

    def _look_at_messages(self, outlook: QueueStatus) -> None:
        if self._courier is not None and outlook.message_due:
            self._courier.dispatch_due(outlook.bounds.around)

    async def _rest(self, outlook: QueueStatus, session: Session, vigil: NotifySuppression) -> None:
        """Wait for whatever comes first: a call, the next look, a timer, the poll."""
        if vigil.lies_down:
            await restore_notify(session)
            vigil.withdrew()
            return
        waits: list[tuple[float, Source]] = [(self.poll_interval, "poll")]
        if (rest := vigil.rest(outlook)) is not None:
            waits.append((rest, "active"))
        if (again := self._turner.again_in) is not None:
            waits.append((again, "active"))
        if outlook.next_due is not None:
            waits.append((outlook.next_due, "timer"))
        if self._courier is not None and (message := outlook.next_message or 0.0) > 0.0:
            waits.append((message, "timer"))
        self._source = await self._wakeup.wait(*min(waits))

    async def _look_beside(self, outlook: QueueStatus, session: Session) -> bool:
        """Do what a look has found beside due requests; tell whether there may be more to do."""
        if outlook.ahead and await self._follow_clock(session):
            return True
        if outlook.leases and await self._effector.rescue():
            return True
        if outlook.searches and await search_events(session):
            return True
        return outlook.events and await self._fan_out(session, outlook.bounds.after)

    async def _follow_clock(self, session: Session) -> int:
        moved = await follow_clock(session)
        if moved:
            log.warning("clock_went_back", requests=moved)
        return moved

    async def _fan_out(self, session: Session, after: int) -> bool:
        """Hand over some events: fewer next time where so many took longer than a statement may.

        They are those behind the id `after`. Where all events are captured, those that nobody waits
        for are taken away first. One that takes too long alone is handed over in slices of
        executions.
        """
        route = self._settings.route_events
        if route and await discard_events(session, after):
            return True
        try:
            outcomes = await fan_out_events(
                session, route=route, most=self._events, width=self._width, after=after
            )
        except psycopg.errors.QueryCanceled:
            if self._width <= LEAST_WIDTH:
                raise
            if self._events == 1:
                self._width //= 4
            self._events = max(1, self._events // 4)
            return True
        ended = [outcome for outcome in outcomes if outcome is not None]
        if ended:
            self._width = min(ALL_WAITS, self._width * 2)
        if self._width == ALL_WAITS:
            self._events = min(EVENTS_AT_ONCE, self._events * 2)
        self._settled([("event", outcome) for outcome in ended])
        return bool(outcomes)

    def _settled(self, settled: Sequence[tuple[str, str]]) -> None:
        for kind, outcome in settled:
            self._metrics.requests.labels(kind, outcome).inc()


class OverflowWorker:
    """Takes turns beside the worker from `open` until one of them finds less than a batch."""

    def __init__(
        self, database: Database, turner: BatchProcessor, done: Callable[[BatchResult], None]
    ) -> None:
        self._database = database
        self._turner = turner
        self._done = done
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Work beside the worker, unless that is being done already."""
        if self._task is not None and self._task.done():
            self._task.result()  # a fault of ours is not to be overlooked
            self._task = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take no further turn; the one at hand is finished."""
        self._closing = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        """Take turns. The worker meets what goes wrong here too, and isolates it."""
        try:
            session = await self._database.session("resumer-lane")
            async with session.connection:
                while not self._closing:
                    turned = await self._turner.take(session)
                    self._done(turned)
                    if not self._turner.backlog:
                        return
        except Exception as error:  # a turn may fail with anything
            log.warning("overflow_worker_stopped", error=format_error(error))
