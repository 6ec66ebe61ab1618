"""Runs what leaves the database: send, record, advance; no transaction is open while it is sent.

Each execution that runs here is held by a lease. A lease that is lost is noticed by the fence of
the next transaction, and then nothing is written: whoever has it sends under the same key.

Only so many are held as have a place, and as many again that wait for the next; the others stand in
line in the database, where any daemon with a place finds them.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from time import monotonic

import psycopg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.config import Settings
from resumer_daemon.daemon.heartbeat import Heartbeat
from resumer_daemon.daemon.proceeding import Held, Proceeding
from resumer_daemon.daemon.sender import Sender
from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.effects.hosts import Hosts, NotNow
from resumer_daemon.effects.pauses import pause
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.store.journal import Holder, margin
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

Results = Mapping[str, EffectResult]

AHEAD = 2
LINE = 5.0  # seconds until what found no place is looked at again


@dataclass(slots=True)
class _Run:
    held: Held


class Effector:
    """Runs the effects of executions, each execution in a task of its own."""

    def __init__(
        self,
        proceeding: Proceeding,
        sender: Sender,
        settings: Settings,
        holder: Holder,
        heartbeat: Heartbeat,
        metrics: Metrics,
        wakeup: Wakeup,
    ) -> None:
        self._proceeding = proceeding
        self._holder = holder
        self._heartbeat = heartbeat
        self._sender = sender
        self._settings = settings
        self._metrics = metrics
        self._wakeup = wakeup
        self._line = False
        self._ending = asyncio.Event()
        self._hosts = Hosts()
        self._random = Random()  # noqa: S311 - jitter
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._runs: dict[asyncio.Task[None], _Run] = {}

    def take(self, held: Held) -> None:
        """Run an execution's effects from here on; it was recorded that we will."""
        run = _Run(held)
        task = asyncio.create_task(self._carry_on(run))
        self._runs[task] = run
        self._heartbeat.hold()
        task.add_done_callback(self._ended)

    async def rescue(self) -> int:
        """Take over what others left behind, or what stands in line; return how many there were.

        Without a place for them there are none: the next that comes free wakes the worker.
        """
        places = self.places()
        self._line = places == 0
        if self._line:
            return 0
        count, held = await self._proceeding.rescue(places)
        for each in held:
            self.take(each)
        return count

    def places(self) -> int:
        """Return how many executions more may be held here; what rests before a retry has none."""
        busy = sum(not run.held.rests for run in self._runs.values())
        return max(0, AHEAD * self._settings.concurrency - busy)

    @property
    def running(self) -> int:
        """How many executions run here."""
        return len(self._runs)

    async def drain(self, seconds: float) -> None:
        """Let what is sent come to a durable point, begin nothing, hand over what is left."""
        self._ending.set()
        if self._runs:
            await asyncio.wait(self._runs, timeout=seconds)
        left = dict(self._runs)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if left:
            await self._proceeding.hand_over([run.held for run in left.values()])

    def abandon(self) -> None:
        """Stop all that runs, for others have taken it over; they send under the same keys."""
        for task in self._runs:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(task)
        if not self._runs:
            self._heartbeat.rest()
        if self._line:
            self._wakeup.set("awake")
        if not task.cancelled() and (error := task.exception()) is not None:
            # the lease runs out, and a rescuer goes on from the last durable point
            log.error("run_failed", execution=str(run.held.execution), error=repr(error))

    async def _carry_on(self, run: _Run) -> None:
        """Send, record what came back, send what follows; until there is nothing to send."""
        sending: dict[asyncio.Task[EffectResult | None], str] = {}
        asked: dict[str, float | None] = {}  # how long receivers asked us to wait
        current: Held | None = run.held
        try:
            while current is not None:
                run.held = current
                if self._ending.is_set() and not sending:
                    return await self._proceeding.hand_over([current])
                for effect in self._next(current, sending.values()):
                    attempt = self._send(current, effect, asked.pop(effect.path, None))
                    sending[asyncio.create_task(attempt)] = effect.path
                done, _ = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                came = {sending.pop(task): task.result() for task in done}
                results = {path: result for path, result in came.items() if result is not None}
                asked |= {path: getattr(r, "retry_after", None) for path, r in results.items()}
                if results:
                    current = await self._record(current, results)
                elif not sending and not self._ending.is_set():
                    seconds = self._random.uniform(0.5, 1) * LINE
                    return await self._proceeding.stand_in_line(current, seconds)
        finally:
            for task in sending:
                task.cancel()

    def _next(self, held: Held, under_way: Collection[str]) -> list[Effect]:
        """Return what is to be begun now; when we end, nothing is."""
        if self._ending.is_set():
            return []
        return [effect for effect in held.launch.effects if effect.path not in under_way]

    async def _send(
        self, held: Held, effect: Effect, retry_after: float | None
    ) -> EffectResult | None:
        """Make one attempt, when it is its time and its host's; a failure is a result.

        None: nothing was sent, for there was no place for it in time, or we end.
        """
        lease = self._settings.lease
        allowance = max(0.0, lease - self._settings.effect_deadline - margin(lease))
        delay = pause(effect.delay, retry_after, self._random)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(delay, effect.delay + allowance)):
                await self._ending.wait()
                return None
        rests = False
        try:
            async with asyncio.timeout(allowance) as waiting:
                while True:
                    try:
                        result = await self._attempt(held, effect, waiting)
                        break
                    except NotNow as rest:
                        rests = True
                        await asyncio.sleep(rest.seconds)
        except TimeoutError:
            if not rests:
                return None
            result = EffectResult("webhook: its host rests", "connection", sent=False)
        self._metrics.effects.labels(effect.kind, "failed" if result.error else "done").inc()
        return result

    async def _attempt(self, held: Held, effect: Effect, waiting: asyncio.Timeout) -> EffectResult:
        """Send when there is a place.

        Raises:
            NotNow: The host should rest.
            TimeoutError: The time for waiting is over, or so is the lease: we may have slept.
        """
        async with self._hosts.attempt(effect) as attempt, self._slots:
            if monotonic() >= self._ours_until(held):
                raise TimeoutError
            waiting.reschedule(None)  # from here on the attempt's own deadline counts
            attempt.result = await self._sender.send(held, effect)
        return attempt.result

    def _ours_until(self, held: Held) -> float:
        """Return until when nobody else can have taken it over, by our own clock."""
        leased = held.recorded + self._holder.seconds(held.launch)
        return min(leased, self._heartbeat.trusted_until(held.recorded))

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
