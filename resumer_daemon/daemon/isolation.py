"""Repeat failed batches in halves on a separate connection, until the execution at fault is alone.

The worker goes on with all other executions meanwhile. `write_in_parts.py` is for batches of which
only some rows cannot be written.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic, perf_counter
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.daemon.after_commit import FollowUp
from resumer_daemon.daemon.batch import BatchFailed, BatchProcessor
from resumer_daemon.daemon.failures import REMEDIES, is_foreign, is_poison
from resumer_daemon.daemon.instrumentation import Arrival
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
class FailedGroup:
    """A batch of these executions failed after so many seconds."""

    group: Group
    error: Exception
    seconds: float


class Isolation:
    """Repeats batches of suspects until there are none."""

    def __init__(
        self,
        database: Database,
        batches: BatchProcessor,
        suspects: Suspects,
        metrics: Metrics,
        follow_up: FollowUp,
    ) -> None:
        self._database = database
        self._batches = batches
        self._suspects = suspects
        self._metrics = metrics
        self._follow_up_commit = follow_up
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def take(self, executions: Iterable[UUID]) -> None:
        """Repeat a failed batch of these executions, in halves."""
        self._suspects.add(executions)
        if self._task is not None and self._task.done():
            self._task.result()  # an error of this program must not be overlooked
            self._task = None
        if self._task is None and self._suspects.ids:
            self._task = asyncio.create_task(self._run())

    def forget(self) -> None:
        """Suspect no execution, because the database cannot be reached."""
        self._suspects.forget()

    async def close(self) -> None:
        """Start no further batch. The one in progress is finished."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._suspects.ids and not self._closing.is_set():
            try:
                session = await self._database.session("resumer-isolation")
                async with session.connection:
                    failed = await self._until_one_fails(session)
                if failed is not None:
                    await self._judge(failed)
            except (psycopg.Error, ResumerError) as error:
                log.warning("suspects_cleared", error=format_error(error))
                self._suspects.forget()

    async def _until_one_fails(self, session: Session) -> FailedGroup | None:
        """Process group after group. After one that failed the connection may be lost."""
        while (group := await self._next_group()) is not None:
            began, arrival = monotonic(), Arrival(perf_counter())
            try:
                result = await self._batches.process_given(session, group.executions)
            except BatchFailed as failed:
                return FailedGroup(group, failed.error, monotonic() - began)
            self._follow_up_commit(result, arrival)
            self._suspects.tried(group, result.executions)
        return None

    async def _judge(self, failed: FailedGroup) -> None:
        """Halve a group that failed. Quarantine an execution that failed alone too often."""
        self._metrics.batches_failed.inc()
        executions = len(failed.group.executions)
        log.warning("batch_failed", executions=executions, error=format_error(failed.error))
        verdict = self._suspects.failed(failed.group, failed.error, failed.seconds)
        if verdict is None:
            return
        session = await self._database.session("resumer-isolation")
        async with session.connection:
            if await self._quarantine(session, verdict, format_error(failed.error)):
                self._suspects.passed(failed.group)

    async def _quarantine(self, session: Session, verdict: SuspectVerdict, cause: str) -> bool:
        """Write the incident. Tell whether the execution is done with, or is tried again later."""
        execution = verdict.execution
        detail = f"{verdict.failures} batches with this execution alone failed: {cause}"
        incident = Incident(verdict.cause, detail, REMEDIES[verdict.cause])
        try:
            if await quarantine(session, execution, incident):
                log.info("execution_cancelled", execution=str(execution), unread=cause)
                return True
        except (psycopg.Error, ValueError) as error:
            log.error("isolation_failed", execution=str(execution), error=format_error(error))
            if not (is_poison(error) or is_foreign(error)):
                return False
            async with session.transaction():
                await fail_requests(session, execution, cause)
            return True
        log.error("execution_isolated", execution=str(execution), cause=incident.cause, error=cause)
        self._metrics.executions_isolated.labels(incident.cause).inc()
        self._metrics.incidents.labels(incident.cause).inc()
        return True

    async def _next_group(self) -> Group | None:
        """Return the next group once it is due. None: there is none, or the daemon stops."""
        group = self._suspects.first()
        if group is None or self._closing.is_set():
            return None
        try:
            async with asyncio.timeout(max(0.0, group.due - monotonic())):
                await self._closing.wait()
        except TimeoutError:
            return group
        return None
