"""Send an effect when it is due and its host may be called; measure, log and trace it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Final

import psycopg
import structlog

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


class EffectAttempts:
    """Carries out what is due now; whether it is, others decide (`sender.py`)."""

    def __init__(
        self, client: HttpClient, settings: Settings, metrics: Metrics, tracing: Tracing | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing

    async def carry_out(self, held: LeasedExecution, effect: Effect) -> EffectResult:
        """Make one attempt, within the effect's deadline; a failure is a result."""
        began = monotonic()
        if self._tracing is None or held.trace is None:
            result = await self._do(held, effect, {})
        else:
            with self._tracing.sending(held.trace, held.execution, effect) as sending:
                result = await self._do(held, effect, sending.headers)
                sending.error = result.error
        seconds = monotonic() - began
        self._metrics.effect_duration.labels(effect.kind).observe(seconds)
        log.debug(
            "effect_attempted",
            execution=str(held.execution),
            epoch=held.epoch,
            step=effect.path,
            kind=effect.kind,
            key=effect.key,
            attempt=effect.attempt,
            outcome=result.retry_class or ("failed" if result.error else "done"),
            seconds=round(seconds, 3),
        )
        return result

    async def _do(
        self, held: LeasedExecution, effect: Effect, trace: Mapping[str, str]
    ) -> EffectResult:
        secrets = partial(self._settings.secret, organization=held.organization)
        client = self._client.using(secrets)
        if effect.kind == "webhook":
            return await client.send(effect, deadline=self._deadline(effect), trace=trace)
        result = await load_context(
            client,
            effect,
            attempts=self._settings.context_attempts,
            patience=self._settings.context_timeout,
            deadline=self._settings.effect_deadline,
            trace=trace,
        )
        if result.error:
            log.warning("context_not_loaded", path=effect.path, error=result.error)
        return result

    def _deadline(self, effect: Effect) -> float:
        if effect.deadline is None:
            return self._settings.effect_deadline
        return min(self._settings.effect_deadline, max(0.0, effect.deadline - effect.delay))


SHORT: Final = 1.0
"""The seconds before an effect is tried again that a shortage of ours has prevented."""


class ShortageError(Throttled):
    """This daemon lacks what it takes to send: that says nothing about the receiver."""


class EffectSender:
    """Sends as many at once as there are places; once it ends, it begins nothing."""

    def __init__(
        self,
        carrier: EffectAttempts,
        pool: Pool,
        settings: Settings,
        holder: LeaseOwner,
        heartbeat: Heartbeat,
        metrics: Metrics,
    ) -> None:
        self._carrier = carrier
        self._pool = pool
        self._holder = holder
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._hosts = HostThrottle()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._ending = asyncio.Event()

    @property
    def ending(self) -> bool:
        """Tell whether nothing is begun any more."""
        return self._ending.is_set()

    def end(self) -> None:
        """Begin nothing from now on; what is under way goes on."""
        self._ending.set()

    async def send(self, held: LeasedExecution, effect: Effect) -> EffectResult | None:
        """Make one attempt, when it is its time and its host's; a failure is a result.

        None: nothing was sent, for there was no place for it in time, or we end.
        """
        if await self._ends_within(effect.delay):
            return None
        if effect.kind == "record":
            return EffectResult()  # written where it is recorded
        rests = False
        try:
            async with asyncio.timeout(self._holder.wait) as waiting:
                while True:
                    try:
                        result = await self._attempt(held, effect, waiting)
                        break
                    except Throttled as rest:
                        rests = not isinstance(rest, ShortageError)
                        if await self._ends_within(rest.seconds):
                            return None
        except TimeoutError:
            if not rests:
                return None
            result = EffectResult("webhook: its host rests", "connection", sent=False)
        self._metrics.effects.labels(effect.kind, "failed" if result.error else "done").inc()
        return result

    async def _attempt(
        self, held: LeasedExecution, effect: Effect, waiting: asyncio.Timeout
    ) -> EffectResult:
        """Send when there is a place, and a connection that can record what comes back.

        Raises:
            NotNow: The host should rest, or we are short of what it takes, a connection among it.
            TimeoutError: The time for waiting is over, or the lease (we may have slept), or we end.
        """
        async with self._hosts.attempt(effect) as attempt, self._slots:
            await self._require_session()
            # its time may end at the moment in which a place comes free
            if self.ending or waiting.expired() or monotonic() >= self._ours_until(held):
                raise TimeoutError
            until = waiting.when()
            waiting.reschedule(None)  # from here on the attempt's own deadline counts
            result = await self._carrier.carry_out(held, effect)
            if result.retry_class == SHORTAGE:
                if not result.sent or effect.delivery == "at_least_once":
                    waiting.reschedule(until)
                    log.warning("effect_not_sent", key=effect.key, error=result.error)
                    raise ShortageError(SHORT, "a shortage of our own")
                result = replace(result, retry_class="connection")
            attempt.result = result
        return result

    async def _ends_within(self, seconds: float) -> bool:
        """Wait so long, or until we end; tell whether we end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._ending.wait()
        return False

    async def _require_session(self) -> None:
        try:
            await self._pool.require()
        except psycopg.Error as error:
            log.warning("effect_postponed", error=format_error(error))
            raise ShortageError(SHORT, "no connection that could record its answer") from error

    def _ours_until(self, held: LeasedExecution) -> float:
        """Return until when nobody else can have taken it over, by our own clock."""
        leased = held.recorded + self._holder.seconds(held.launch)
        return min(leased, self._heartbeat.trusted_until(held.recorded))
