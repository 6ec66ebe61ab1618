"""Repeat failed batches in halves on a separate connection, until the execution at fault is alone.

The worker goes on with all other executions meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.daemon.batch import BatchProcessor, BatchResult
from resumer_daemon.daemon.failures import (
    REMEDIES,
    is_foreign,
    is_poison,
)
from resumer_daemon.daemon.suspects import Group, Suspects, SuspectVerdict
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.errors import ResumerError
from resumer_daemon.store.inbox import fail_requests
from resumer_daemon.store.quarantine import quarantine
from resumer_daemon.store.session import Database, Session
from resumer_daemon.telemetry.logs import format_error
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """A turn with these executions failed after so long."""

    group: Group
    error: Exception
    seconds: float


class Isolation:
    """Tries suspects while there are any. `suspects` is shared with the turners of the worker."""

    def __init__(
        self,
        database: Database,
        turner: BatchProcessor,
        suspects: Suspects,
        metrics: Metrics,
        done: Callable[[BatchResult], None],
    ) -> None:
        self._database = database
        self._turner = turner
        self._suspects = suspects
        self._metrics = metrics
        self._done = done
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def take(self, executions: Iterable[UUID]) -> None:
        """Repeat the turn of these, which failed, in halves."""
        self._suspects.add(executions)
        if self._task is not None and self._task.done():
            self._task.result()  # an error of this program must not be overlooked
            self._task = None
        if self._task is None and self._suspects.ids:
            self._task = asyncio.create_task(self._run())

    def forget(self) -> None:
        """Suspect nobody, because the database cannot be reached."""
        self._suspects.forget()

    async def close(self) -> None:
        """Take no further turn. The one under way is finished."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._suspects.ids and not self._closing.is_set():
            try:
                session = await self._database.session("resumer-apart")
                async with session.connection:
                    failed = await self._until_one_fails(session)
                if failed is not None:
                    await self._judge(failed)
            except (psycopg.Error, ResumerError) as error:
                log.warning("suspects_cleared", error=format_error(error))
                self._suspects.forget()

    async def _until_one_fails(self, session: Session) -> FailedBatch | None:
        """Try group after group. After one that failed the connection may be lost."""
        while (group := await self._next()) is not None:
            began = monotonic()
            try:
                turned = await self._turner.take_apart(session, group.executions)
            except Exception as error:  # a turn may fail with anything: see the module
                return FailedBatch(group, error, monotonic() - began)
            self._done(turned)
            self._suspects.tried(group, turned.claimed)
        return None

    async def _judge(self, failed: FailedBatch) -> None:
        """Halve what failed; set apart what failed alone too often."""
        self._metrics.batches_failed.inc()
        executions = len(failed.group.executions)
        log.warning("batch_failed", executions=executions, error=format_error(failed.error))
        verdict = self._suspects.failed(failed.group, failed.error, failed.seconds)
        if verdict is None:
            return
        session = await self._database.session("resumer-apart")
        async with session.connection:
            if await self._set_apart(session, verdict, format_error(failed.error)):
                self._suspects.passed(failed.group)

    async def _set_apart(self, session: Session, verdict: SuspectVerdict, why: str) -> bool:
        """Write the incident. Where that fails too, the execution is tried again later."""
        execution = verdict.execution
        detail = f"{verdict.failures} turns with this execution alone failed: {why}"
        what = Incident(verdict.cause, detail, REMEDIES[verdict.cause])
        try:
            if await quarantine(session, execution, what):
                log.info("execution_cancelled", execution=str(execution), unread=why)
                return True
        except (psycopg.Error, ValueError) as error:
            log.error("isolation_failed", execution=str(execution), error=format_error(error))
            if not (is_poison(error) or is_foreign(error)):
                return False
            async with session.transaction():
                await fail_requests(session, execution, why)
            return True
        log.error("execution_isolated", execution=str(execution), cause=what.cause, error=why)
        self._metrics.executions_isolated.labels(what.cause).inc()
        self._metrics.incidents.labels(what.cause).inc()
        return True

    async def _next(self) -> Group | None:
        """Return the next group once it is due, None where there is none or the daemon stops."""
        group = self._suspects.first()
        if group is None or self._closing.is_set():
            return None
        try:
            async with asyncio.timeout(max(0.0, group.due - monotonic())):
                await self._closing.wait()
        except TimeoutError:
            return group
        return None
