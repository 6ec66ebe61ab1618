"""Send effects: one attempt when it is due and its host allows it, and all of one execution.

A result is returned, never raised. Each attempt is measured, logged and traced.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final

import psycopg
import structlog
from msgspec.structs import replace

from resumer_daemon.config import Settings
from resumer_daemon.daemon.heartbeat import Heartbeat
from resumer_daemon.daemon.instrumentation import Tracing
from resumer_daemon.effects.http_client import HttpClient, load_context
from resumer_daemon.effects.shortage import SHORTAGE
from resumer_daemon.effects.throttle import HostThrottle, Throttled
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.store.leases import LeasedExecution, LeaseOwner
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.logs import format_error
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

SHORTAGE_DELAY: Final = 1.0
"""Seconds before an effect is tried again that a shortage of this daemon prevented."""


class ShortageError(Throttled):
    """This daemon lacks files, memory or a connection. That says nothing about the receiver."""


class EffectSender:
    """Sends effects, at most `RESUMER_CONCURRENCY` at once. After `stop` it starts no attempt."""

    def __init__(
        self,
        client: HttpClient,
        pool: Pool,
        settings: Settings,
        owner: LeaseOwner,
        heartbeat: Heartbeat,
        metrics: Metrics,
        tracing: Tracing | None,
    ) -> None:
        self._client = client
        self._pool = pool
        self._settings = settings
        self._owner = owner
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._tracing = tracing
        self._hosts = HostThrottle()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """True after `stop`."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Start no further attempt. Attempts under way continue."""
        self._stopping.set()

    async def send(self, leased: LeasedExecution, effect: Effect) -> EffectResult | None:
        """Make one attempt when it is due and its host allows it. A failure is a result.

        Return None when nothing was sent: no slot was free in time, or the daemon is stopping.
        """
        if await self._stops_within(effect.delay):
            return None
        if effect.kind == "record":
            return EffectResult()  # the transaction that records the result writes it
        throttled = False
        try:
            async with asyncio.timeout(self._owner.max_wait) as waiting:
                while True:
                    try:
                        result = await self._send_when_allowed(leased, effect, waiting)
                        break
                    except Throttled as error:
                        throttled = not isinstance(error, ShortageError)
                        if await self._stops_within(error.seconds):
                            return None
        except TimeoutError:
            if not throttled:
                return None
            result = EffectResult("webhook: its host failed too often", "connection", sent=False)
        self._metrics.effects.labels(effect.kind, "failed" if result.error else "done").inc()
        return result

    async def _send_when_allowed(
        self, leased: LeasedExecution, effect: Effect, waiting: asyncio.Timeout
    ) -> EffectResult:
        """Wait for a slot and for a connection that can record the result, then send.

        Raises:
            Throttled: The host must not be called now, or this daemon has a shortage.
            TimeoutError: `waiting` or the lease ended (the process may have been suspended), or the
                daemon is stopping.
        """
        async with self._hosts.attempt(effect) as attempt, self._slots:
            await self._require_session()
            # the slot may have become free at the moment at which the time ended
            if self.stopping or waiting.expired() or monotonic() >= self._leased_until(leased):
                raise TimeoutError
            deadline = waiting.when()
            waiting.reschedule(None)  # from here on the attempt's own deadline counts
            result = await self._attempt(leased, effect)
            if result.retry_class == SHORTAGE:
                if not result.sent or effect.delivery == "at_least_once":
                    waiting.reschedule(deadline)
                    log.warning("effect_not_sent", key=effect.key, error=result.error)
                    raise ShortageError(SHORTAGE_DELAY, "this daemon has a shortage")
                result = replace(result, retry_class="connection")
            attempt.result = result
        return result

    async def _stops_within(self, seconds: float) -> bool:
        """Wait `seconds`, or until the daemon stops. Return whether it stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        return False

    async def _require_session(self) -> None:
        try:
            await self._pool.require()
        except psycopg.Error as error:
            log.warning("effect_postponed", error=format_error(error))
            raise ShortageError(SHORTAGE_DELAY, "no connection to record the result") from error

    def _leased_until(self, leased: LeasedExecution) -> float:
        """Return the local time until which no other daemon can have taken the execution over."""
        lease_end = leased.recorded + self._owner.lease_seconds(leased.pending)
        return min(lease_end, self._heartbeat.trusted_until(leased.recorded))

    async def _attempt(self, leased: LeasedExecution, effect: Effect) -> EffectResult:
        """Make one attempt now, within the effect's deadline. Measure, log and trace it."""
        started = monotonic()
        if self._tracing is None or leased.trace is None:
            result = await self._request(leased, effect, {})
        else:
            with self._tracing.trace_attempt(leased.trace, leased.execution, effect) as span:
                result = await self._request(leased, effect, span.headers)
                span.error = result.error
        seconds = monotonic() - started
        self._metrics.effect_duration.labels(effect.kind).observe(seconds)
        log.debug(
            "effect_attempted",
            execution=str(leased.execution),
            epoch=leased.epoch,
            step=effect.path,
            kind=effect.kind,
            key=effect.key,
            attempt=effect.attempt,
            outcome=result.retry_class or ("failed" if result.error else "done"),
            seconds=round(seconds, 3),
        )
        return result

    async def _request(
        self, leased: LeasedExecution, effect: Effect, trace: Mapping[str, str]
    ) -> EffectResult:
        secrets = partial(self._settings.secret, organization=leased.organization)
        client = self._client.using(secrets)
        if effect.kind == "webhook":
            return await client.send(effect, deadline=self._deadline(effect), trace=trace)
        result = await load_context(
            client,
            effect,
            attempts=self._settings.context_attempts,
            attempt_timeout=self._settings.context_timeout,
            deadline=self._settings.effect_deadline,
            trace=trace,
        )
        if result.error:
            log.warning("context_not_loaded", path=effect.path, error=result.error)
        return result

    def _deadline(self, effect: Effect) -> float:
        """Return the seconds that an attempt may take from now."""
        if effect.deadline is None:
            return self._settings.effect_deadline
        return min(self._settings.effect_deadline, max(0.0, effect.deadline - effect.delay))


COLLECT_TOGETHER = 16
"""With more effects in flight than this, results are collected for a moment."""

COLLECT_SECONDS = 0.0001
"""Seconds of that moment for each effect in flight: about the cost of recording it."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Effects that ended: results by path, and the paths of those that were not sent."""

    results: Mapping[str, EffectResult]
    unsent: frozenset[str]


class InFlightEffects:
    """The effects of one execution that wait to be sent or are being sent."""

    def __init__(self, sender: EffectSender) -> None:
        self._sender = sender
        self._tasks: dict[asyncio.Task[EffectResult | None], str] = {}

    def __bool__(self) -> bool:
        """Tell whether any effect is in flight."""
        return bool(self._tasks)

    def send(self, leased: LeasedExecution) -> None:
        """Start to send the pending effects that are not in flight, unless the daemon stops."""
        if self._sender.stopping:
            return
        paths = set(self._tasks.values())
        for effect in leased.pending.effects:
            if effect.path not in paths:
                task = asyncio.create_task(self._sender.send(leased, effect))
                self._tasks[task] = effect.path

    async def collect(self, interrupt: asyncio.Event, seconds: float | None) -> Collected:
        """Wait for effects to end, but no longer than `seconds` or until `interrupt` is set.

        Nothing has ended then. With many effects in flight wait a moment for more of them, because
        each recording reads and writes the results of all.
        """
        interrupted = asyncio.create_task(interrupt.wait())
        try:
            done, _ = await asyncio.wait(
                {*self._tasks, interrupted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            interrupted.cancel()
        interrupt.clear()
        if done - {interrupted} and len(self._tasks) > COLLECT_TOGETHER:
            await asyncio.wait(self._tasks, timeout=COLLECT_SECONDS * len(self._tasks))
        return self._take_ended()

    def cancel(self) -> None:
        """Stop everything that is in flight."""
        for task in self._tasks:
            task.cancel()

    def _take_ended(self) -> Collected:
        ended = {self._tasks.pop(task): task.result() for task in list(self._tasks) if task.done()}
        results = {path: result for path, result in ended.items() if result is not None}
        return Collected(results, frozenset(ended.keys() - results.keys()))
