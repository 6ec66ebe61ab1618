"""Run executions whose effects leave the database: send, record the results, advance.

A lease holds each execution while it runs here, and no transaction is open while an effect is sent.
The fence of the next transaction detects a lost lease. Then nothing is written, because the daemon
that has the lease now sends the same effects under the same keys.

A daemon leases as many executions as it can send for, and as many again that wait for a slot. The
others stay in the database, where any daemon with capacity takes them over.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from msgspec.structs import replace
from psycopg_pool import PoolTimeout

from resumer_daemon.config import Settings
from resumer_daemon.daemon.effect_sender import Collected, EffectSender, InFlightEffects
from resumer_daemon.daemon.failures import REMEDIES, cause_of, is_lock, is_lost
from resumer_daemon.daemon.heartbeat import Heartbeat
from resumer_daemon.daemon.lease_transactions import LeaseTransactions
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.daemon.suspects import TIMES
from resumer_daemon.effects.retry_delays import with_jitter
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.store.leases import LeasedExecution
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.logs import format_error

log = structlog.get_logger()

CAPACITY_FACTOR: Final = 2
"""Executions leased for each effect that can be sent at once."""

BRANCH_POLL: Final = 0.5
"""Seconds after which branches that wait beside effects are read without a notification."""

REQUEUE_DELAY: Final = 5.0
"""Seconds, at most, until an execution that found no slot may be taken over again."""

UNLIMITED: Final = 1_000_000
"""Leases to take over in one transaction while no attempt has failed."""


@dataclass(slots=True)
class _Run:
    """One execution that runs here. `branch_ready`: a branch beside its effects may advance."""

    leased: LeasedExecution
    failed: bool = False
    branch_ready: asyncio.Event = field(default_factory=asyncio.Event)


class EffectRunner:
    """Runs the effects of executions, each execution in a task of its own."""

    def __init__(
        self,
        transactions: LeaseTransactions,
        sender: EffectSender,
        settings: Settings,
        heartbeat: Heartbeat,
        wakeup: Wakeup,
    ) -> None:
        self._transactions = transactions
        self._sender = sender
        self._settings = settings
        self._heartbeat = heartbeat
        self._wakeup = wakeup
        self._wake_when_free = False
        self._rescue_limit = UNLIMITED
        self._single_failures = 0
        self._random = Random()  # noqa: S311 - jitter
        self._runs: dict[asyncio.Task[None], _Run] = {}

    def take(self, leased: LeasedExecution) -> None:
        """Run an execution from here on. Its lease is recorded already."""
        pending = with_jitter(leased.pending, self._random)
        self._start(_Run(replace(leased, pending=pending)))

    async def rescue(self) -> int:
        """Take over executions whose lease ended or that wait for capacity. Return their number.

        Without capacity take none. The next execution that leaves then wakes the worker.
        """
        capacity = self.capacity()
        self._wake_when_free = capacity == 0
        if self._wake_when_free:
            return 0
        number, rescued = await self._rescue(min(capacity, self._rescue_limit))
        for leased in rescued:
            self._start(_Run(leased))
        return number

    def capacity(self) -> int:
        """Return how many more executions may run here. A delayed retry takes no capacity."""
        busy = sum(not run.leased.is_delayed for run in self._runs.values())
        return max(0, CAPACITY_FACTOR * self._settings.concurrency - busy)

    def wake_branches(self, execution: UUID) -> None:
        """Let an execution that runs here check its waiting branches at once."""
        for run in self._runs.values():
            if run.leased.execution == execution and run.leased.pending.state.branches:
                run.branch_ready.set()

    async def expire_unknown(self, session: Session) -> None:
        """Expire leases of this daemon that do not run here: their commit had no response."""
        running = [run.leased.execution for run in self._runs.values()]
        await self._transactions.expire_unknown(session, running)

    async def drain(self, seconds: float) -> None:
        """Start no attempt, let those under way end for `seconds`, then expire the other leases."""
        self._sender.stop()
        if self._runs:
            await asyncio.wait(self._runs, timeout=seconds)
        unfinished = dict(self._runs)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if unfinished:
            await self._transactions.expire([run.leased for run in unfinished.values()])

    def abandon(self) -> None:
        """Stop everything that runs. Other daemons took it over and send under the same keys."""
        for task in self._runs:
            task.cancel()

    async def _run(self, run: _Run) -> None:
        """Send what is due, collect, record and advance, until nothing is left to send."""
        in_flight = InFlightEffects(self._sender)
        leased: LeasedExecution | None = run.leased
        try:
            while leased is not None:
                run.leased = leased
                if self._sender.stopping and not in_flight:
                    return await self._transactions.expire([leased])
                in_flight.send(leased)
                ended = await self._collect(run, in_flight)
                if ended.results or not leased.pending.effects:
                    leased = await self._transactions.record(leased, ended.results)
                elif not ended.unsent:
                    leased = await self._transactions.advance_waiting_branches(leased)
                elif not in_flight and not self._sender.stopping:
                    delay = REQUEUE_DELAY * self._random.uniform(0.5, 1)
                    return await self._transactions.requeue(leased, delay)
        finally:
            in_flight.cancel()

    async def _collect(self, run: _Run, in_flight: InFlightEffects) -> Collected:
        """Wait for effects to end, or for a branch beside them that may advance."""
        pending = run.leased.pending
        if not pending.effects:  # the flow only gave way to other executions
            return Collected({}, frozenset())
        seconds = BRANCH_POLL if pending.state.branches else None
        return await in_flight.collect(run.branch_ready, seconds)

    def _start(self, run: _Run) -> None:
        self._track(run, self._run(run))

    def _track(self, run: _Run, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._runs[task] = run
        self._heartbeat.track()
        task.add_done_callback(self._on_end)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("effect_run_failed", execution=str(run.leased.execution), error=repr(error))
            if not run.failed:  # if this fails too, the lease expires in time
                run.failed = True
                self._track(run, self._transactions.expire_with_retries(run.leased))
        if not self._runs:
            self._heartbeat.clear()
        if self._wake_when_free:
            self._wakeup.set("active")

    async def _rescue(self, limit: int) -> tuple[int, list[LeasedExecution]]:
        """Take over at most `limit` executions. After a failure try half as many the next time.

        So a single execution remains in the end. After several failures with it alone it is
        quarantined. Return how many were taken over, and those that run here now.
        """
        started = monotonic()
        try:
            rescued = await self._transactions.rescue(limit)
        except PoolTimeout as error:  # the worker has a connection of its own and continues
            log.warning("rescue_postponed", error=str(error))
            return 0, []
        except Exception as error:  # a transaction may fail with anything: see daemon/suspects.py
            log.warning("rescue_failed", executions=limit, error=format_error(error))
            cause = cause_of(error, monotonic() - started)
            if is_lost(error) or is_lock(error):
                raise
            self._single_failures = self._single_failures + 1 if limit == 1 else 0
            self._rescue_limit = max(1, limit // 2)
            if self._single_failures >= TIMES:
                detail = (
                    f"{self._single_failures} takeovers of this execution alone failed:"
                    f" {format_error(error)}"
                )
                await self._transactions.quarantine_first(Incident(cause, detail, REMEDIES[cause]))
            return 0, []
        self._single_failures, self._rescue_limit = 0, UNLIMITED
        return rescued
