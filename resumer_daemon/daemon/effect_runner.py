"""Run executions whose effects leave the database: send, record, advance.

No transaction is open while an effect is sent. Each execution that runs here is held by a lease.
A lost lease is noticed by the fence of the next transaction, and then nothing is written: the
daemon that has it sends under the same key. Only as many executions are leased as can be sent,
and as many again that wait; the others stay in the database, where any daemon with capacity finds
them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from random import Random
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.config import Settings
from resumer_daemon.daemon.effect_sender import EffectSender
from resumer_daemon.daemon.failures import REMEDIES, cause_of, is_lock, is_lost
from resumer_daemon.daemon.heartbeat import Heartbeat
from resumer_daemon.daemon.leased import LeasedExecutions
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.daemon.suspects import TIMES
from resumer_daemon.effects.backoff import with_jitter
from resumer_daemon.engine.outcome import EffectResult, Incident
from resumer_daemon.errors import Unreachable
from resumer_daemon.store.leases import LeasedExecution, margin
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.logs import format_error

log = structlog.get_logger()

T = TypeVar("T")

AHEAD = 2
BESIDE = 0.5  # seconds until a branch beside effects is looked at, should nobody call
MANY = 1_000_000  # leases to take over at once, where no attempt has failed
WIDE = 16  # effects of one execution under way from which on results are collected
COLLECT = 0.0001  # seconds for each of them: about what it costs to record beside a result
LINE = 5.0  # seconds until what found no place is looked at again


@dataclass(slots=True)
class _Run:
    held: LeasedExecution
    failed: bool = False
    called: asyncio.Event = field(default_factory=asyncio.Event)


class EffectRunner:
    """Runs the effects of executions, each execution in a task of its own."""

    def __init__(
        self,
        proceeding: LeasedExecutions,
        sender: EffectSender,
        settings: Settings,
        heartbeat: Heartbeat,
        wakeup: Wakeup,
    ) -> None:
        self._proceeding = proceeding
        self._sender = sender
        self._settings = settings
        self._heartbeat = heartbeat
        self._wakeup = wakeup
        self._line = False
        self._together = MANY
        self._alone = 0
        self._random = Random()  # noqa: S311 - jitter
        self._runs: dict[asyncio.Task[None], _Run] = {}

    def take(self, held: LeasedExecution) -> None:
        """Run an execution's effects from here on; it was recorded that we will."""
        self._run(replace(held, launch=with_jitter(held.launch, self._random)))

    def _run(self, held: LeasedExecution) -> None:
        run = _Run(held)
        self._begin(run, self._carry_on(run))

    def _begin(self, run: _Run, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
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
        count, held = await self._rescued(min(places, self._together))
        for each in held:
            self._run(each)
        return count

    async def _rescued(self, places: int) -> tuple[int, list[LeasedExecution]]:
        """Take over so many; next time half as many where that failed, down to the one at fault."""
        began = monotonic()
        try:
            taken = await self._proceeding.rescue(places)
        except PoolTimeout as error:  # the worker has a connection of its own, and goes on
            log.warning("rescue_postponed", error=str(error))
            return 0, []
        except Exception as error:  # a turn may fail with anything: see daemon/suspects.py
            log.warning("rescue_failed", executions=places, error=format_error(error))
            cause = cause_of(error, monotonic() - began)
            if is_lost(error) or is_lock(error):
                raise
            self._alone = self._alone + 1 if places == 1 else 0
            self._together = max(1, places // 2)
            if self._alone >= TIMES:
                detail = (
                    f"{self._alone} turns with this execution alone failed: {format_error(error)}"
                )
                await self._proceeding.set_apart(Incident(cause, detail, REMEDIES[cause]))
            return 0, []
        self._alone, self._together = 0, MANY
        return taken

    async def hand_over_strays(self, session: Session) -> None:
        """Give up what a commit without an answer may have left to us: it runs nowhere here."""
        running = [run.held.execution for run in self._runs.values()]
        await self._proceeding.hand_over_strays(session, running)

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
        self._sender.end()
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
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("effect_run_failed", execution=str(run.held.execution), error=repr(error))
            if not run.failed:  # else the lease runs out
                run.failed = True
                self._begin(run, self._retrying(self._proceeding.hand_over, [run.held]))
        if not self._runs:
            self._heartbeat.rest()
        if self._line:
            self._wakeup.set("active")

    async def _carry_on(self, run: _Run) -> None:
        """Send, record what came back, send what follows; until there is nothing to send."""
        sending: dict[asyncio.Task[EffectResult | None], str] = {}
        current: LeasedExecution | None = run.held
        try:
            while current is not None:
                run.held = current
                if self._sender.ending and not sending:
                    return await self._proceeding.hand_over([current])
                if not current.launch.effects:  # it let others move, and has had its rest
                    current = await self._retrying(self._proceeding.record, current, {}, [])
                    continue
                sending |= self._send(current, sending.values())
                done = await self._first(sending, run)
                if not done:
                    current = await self._retrying(self._proceeding.hear, current, [])
                    continue
                came = {sending.pop(task): task.result() for task in done}
                results = {path: result for path, result in came.items() if result is not None}
                if results:
                    current = await self._retrying(self._proceeding.record, current, results, [])
                elif not sending and not self._sender.ending:
                    seconds = self._random.uniform(0.5, 1) * LINE
                    return await self._proceeding.stand_in_line(current, seconds)
        finally:
            for task in sending:
                task.cancel()

    async def _first(
        self, sending: Collection[asyncio.Task[Any]], run: _Run
    ) -> set[asyncio.Task[Any]]:
        """Wait for the first result; none where a branch beside the effects may have an answer.

        Where many effects are under way, wait a little for others too: to record one result reads
        and writes what is known of all.
        """
        waits = bool(run.held.launch.state.branches)
        called = asyncio.create_task(run.called.wait())
        try:
            done, _ = await asyncio.wait(
                {*sending, called},
                timeout=BESIDE if waits else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            called.cancel()
        run.called.clear()
        answered = done - {called}
        if answered and len(sending) > WIDE:
            more, _ = await asyncio.wait(sending, timeout=COLLECT * len(sending))
            answered |= more
        return answered

    def call(self, execution: UUID) -> None:
        """Look at once whether a branch of an execution that runs here has its answer."""
        for run in self._runs.values():
            if run.held.execution == execution and run.held.launch.state.branches:
                run.called.set()

    def _send(
        self, held: LeasedExecution, under_way: Collection[str]
    ) -> dict[asyncio.Task[EffectResult | None], str]:
        """Begin what is to be sent now, by path; when the daemon ends, nothing is."""
        if self._sender.ending:
            return {}
        return {
            asyncio.create_task(self._sender.send(held, effect)): effect.path
            for effect in held.launch.effects
            if effect.path not in under_way
        }

    async def _retrying(self, write: Callable[..., Awaitable[T]], *given: Any) -> T:
        """Write; the database may be away meanwhile, but not for longer than the lease."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.OperationalError, Unreachable)),
            wait=wait_random(0.05, 0.5),
            stop=stop_after_delay(self._settings.lease - margin(self._settings.lease) / 2),
            reraise=True,
        ):
            with attempt:
                return await write(*given)
        raise AssertionError("it returns or raises")
