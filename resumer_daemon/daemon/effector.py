"""Runs what leaves the database: send, record, advance; no transaction is open while it is sent.

Each execution that runs here is held by a lease. A lease that is lost is noticed by the fence of
the next transaction, and then nothing is written: whoever has it sends under the same key.
"""

import asyncio
from collections.abc import Mapping
from random import Random
from time import monotonic

import psycopg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.config import Settings
from resumer_daemon.daemon.proceeding import Held, Proceeding
from resumer_daemon.effects.hosts import Hosts, NotNow
from resumer_daemon.effects.http import HttpClient
from resumer_daemon.effects.loading import load_context
from resumer_daemon.effects.pauses import pause
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.store.journal import margin
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

Results = Mapping[str, EffectResult]


class Effector:
    """Runs the effects of executions, each execution in a task of its own."""

    def __init__(
        self, proceeding: Proceeding, client: HttpClient, settings: Settings, metrics: Metrics
    ) -> None:
        self._proceeding = proceeding
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._hosts = Hosts()
        self._random = Random()  # noqa: S311 - jitter
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._runs: dict[asyncio.Task[None], Held] = {}

    def take(self, held: Held) -> None:
        """Run an execution's effects from here on; it was recorded that we will."""
        task = asyncio.create_task(self._run(held))
        self._runs[task] = held
        task.add_done_callback(self._ended)

    async def rescue(self) -> None:
        """Take over what other daemons, or an earlier life of ours, left behind."""
        for held in await self._proceeding.rescue():
            self.take(held)

    @property
    def running(self) -> int:
        """How many executions run here."""
        return len(self._runs)

    async def drain(self, seconds: float) -> None:
        """Let what runs come to a durable point; what does not in time is handed over."""
        if self._runs:
            await asyncio.wait(self._runs, timeout=seconds)
        left = dict(self._runs)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for held in left.values():
            await self._proceeding.hand_over(held.execution, held.epoch)

    def _ended(self, task: asyncio.Task[None]) -> None:
        held = self._runs.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # the lease runs out, and a rescuer goes on from the last durable point
            log.error("run_failed", execution=str(held.execution), error=repr(error))

    async def _run(self, held: Held) -> None:
        """Send, record what came back, send what follows; until there is nothing to send."""
        sending: dict[asyncio.Task[EffectResult], str] = {}
        asked: dict[str, float | None] = {}  # how long receivers asked us to wait
        current: Held | None = held
        try:
            while current is not None:
                under_way = set(sending.values())
                for effect in current.launch.effects:
                    if effect.path not in under_way:
                        attempt = self._send(effect, asked.pop(effect.path, None))
                        sending[asyncio.create_task(attempt)] = effect.path
                done, _ = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                results = {sending.pop(task): task.result() for task in done}
                asked |= {path: getattr(r, "retry_after", None) for path, r in results.items()}
                current = await self._record(current, results)
        finally:
            for task in sending:
                task.cancel()

    async def _send(self, effect: Effect, retry_after: float | None) -> EffectResult:
        """Make one attempt, when it is its time and its host's; a failure is a result."""
        lease = self._settings.lease
        allowance = max(0.0, lease - self._settings.effect_deadline - margin(lease))
        delay = pause(effect.delay, retry_after, self._random)
        await asyncio.sleep(min(delay, effect.delay + allowance))
        try:
            async with asyncio.timeout(allowance) as waiting:
                while (result := await self._attempt(effect, waiting)) is None:
                    continue
        except TimeoutError:
            result = EffectResult("webhook: no place at its host in time", "connection", sent=False)
        self._metrics.effects.labels(effect.kind, "failed" if result.error else "done").inc()
        return result

    async def _attempt(self, effect: Effect, waiting: asyncio.Timeout) -> EffectResult | None:
        """Send, or wait for as long as the host should rest and return None."""
        try:
            async with self._hosts.attempt(effect) as attempt, self._slots:
                waiting.reschedule(None)  # from here on the attempt's own deadline counts
                began = monotonic()
                attempt.result = await self._carry_out(effect)
                self._metrics.effect_duration.labels(effect.kind).observe(monotonic() - began)
        except NotNow as rest:
            await asyncio.sleep(rest.seconds)
            return None
        return attempt.result

    async def _carry_out(self, effect: Effect) -> EffectResult:
        if effect.kind == "webhook":
            return await self._client.send(effect, deadline=self._deadline(effect))
        result = await load_context(
            self._client,
            effect,
            attempts=self._settings.context_attempts,
            patience=self._settings.context_timeout,
            deadline=self._settings.effect_deadline,
        )
        if result.error:
            log.warning("context_not_loaded", path=effect.path, error=result.error)
        return result

    def _deadline(self, effect: Effect) -> float:
        if effect.deadline is None:
            return self._settings.effect_deadline
        return min(self._settings.effect_deadline, max(0.0, effect.deadline - effect.delay))

    async def _record(self, held: Held, results: Results) -> Held | None:
        """Record and advance; the database may be away, but not for longer than the lease."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(psycopg.OperationalError),
            wait=wait_random(0.05, 0.5),
            stop=stop_after_delay(self._settings.lease - margin(self._settings.lease) / 2),
            reraise=True,
        ):
            with attempt:
                return await self._proceeding.record(held, results)
        return None
