"""Repeat failed batches in halves on a separate connection, until the execution at fault is alone.

The worker goes on with all other executions meanwhile. An execution that fails alone several
times in a row is at fault. It is not at fault where every other batch fails as well, where
another session is in the way, or where the database cannot be reached meanwhile. An error in a
function of the service is its own where no other execution is suspected, though nothing else
moves.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.daemon.batch import Turned, Turner
from resumer_daemon.daemon.failures import (
    REMEDIES,
    Cause,
    cause_of,
    is_foreign,
    is_lock,
    is_lost,
    is_poison,
)
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.errors import ResumerError
from resumer_daemon.store.inbox import give_up_requests
from resumer_daemon.store.quarantine import set_apart
from resumer_daemon.store.session import Database, Session
from resumer_daemon.telemetry.logs import said
from resumer_daemon.telemetry.metrics import Metrics

MOST: Final = 1_000
"""How many executions may be suspected at once."""

TIMES: Final = 3
"""So often an execution fails alone before it is at fault."""

TIMES_LOST: Final = 5
"""The same where the connection was lost, for that may be an outage of a moment."""

SKIPS: Final = 30
"""So often an execution is looked at again that somebody else had locked."""

FIRST, LAST = 0.1, 30.0  # seconds until an execution is tried alone again


@dataclass(slots=True, eq=False)
class Group:
    """Executions to be tried together. `moved`: how many had moved elsewhere when it was made.

    `skipped`: how often somebody else had them locked.
    """

    executions: tuple[UUID, ...]
    moved: int
    failures: int = 0
    due: float = 0.0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reason to set one execution apart."""

    execution: UUID
    cause: Cause
    failures: int


class Suspects:
    """The suspects. `moved` counts the executions that moved in turns that succeeded."""

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self._ids: frozenset[UUID] = frozenset()
        self.moved = 0

    @property
    def ids(self) -> Collection[UUID]:
        """The executions that other turns leave alone."""
        return self._ids

    def add(self, executions: Iterable[UUID]) -> None:
        """Suspect the executions of a turn that failed, beyond `MOST` none."""
        new = [each for each in executions if each not in self._ids][: MOST - len(self._ids)]
        self._keep(_halves(new, self.moved))

    def forget(self) -> None:
        """Suspect nobody: it was an outage."""
        self._groups.clear()
        self._ids = frozenset()

    def first(self) -> Group | None:
        """Return the group that is due first, None without any."""
        return min(self._groups, key=lambda group: group.due, default=None)

    def passed(self, group: Group) -> None:
        """Suspect these no longer."""
        self._drop(group)
        self._ids -= frozenset(group.executions)

    def tried(self, group: Group, claimed: Collection[UUID]) -> None:
        """Suspect those no longer that were claimed: others were locked, and are tried again.

        Else daemons that take turns with the one at fault would hide it from each other.
        """
        self.passed(group)
        locked = tuple(each for each in group.executions if each not in claimed)
        if locked and group.skipped < SKIPS:
            again = replace(
                group, executions=locked, due=monotonic() + FIRST, skipped=group.skipped + 1
            )
            self._keep([again])

    def failed(self, group: Group, error: Exception, seconds: float) -> Verdict | None:
        """Learn that these failed after so long; return what is at fault, if that is known now."""
        if group not in self._groups:  # forgotten meanwhile
            return None
        self._drop(group)
        if len(group.executions) > 1:
            self._keep(_halves(group.executions, self.moved))
            return None
        group.failures += 1
        group.due = monotonic() + min(LAST, FIRST * 2 ** (group.failures - 1))
        self._groups.append(group)
        if not self._at_fault(group, error, cause_of(error, seconds)):
            return None
        return Verdict(group.executions[0], cause_of(error, seconds), group.failures)

    def _at_fault(self, group: Group, error: Exception, cause: Cause) -> bool:
        if is_lock(error):
            return False
        if cause != "turn_failed":
            return group.failures >= TIMES
        if is_lost(error):
            return group.failures >= TIMES_LOST
        alone = is_foreign(error) and len(self._groups) == 1
        return group.failures >= TIMES and (alone or self.moved > group.moved)

    def _drop(self, group: Group) -> None:
        if group in self._groups:  # else it was forgotten meanwhile
            self._groups.remove(group)

    def _keep(self, groups: Iterable[Group]) -> None:
        for group in groups:
            self._groups.append(group)
            self._ids |= frozenset(group.executions)


def _halves(executions: Iterable[UUID], moved: int) -> list[Group]:
    together = tuple(executions)
    middle = (len(together) + 1) // 2
    parts = together[:middle], together[middle:]
    return [Group(part, moved) for part in parts if part]


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Failed:
    """A turn with these executions failed after so long."""

    group: Group
    error: Exception
    seconds: float


class Isolation:
    """Tries suspects while there are any. `suspects` is shared with the turners of the worker."""

    def __init__(
        self,
        database: Database,
        turner: Turner,
        suspects: Suspects,
        metrics: Metrics,
        done: Callable[[Turned], None],
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
                log.warning("suspects_forgotten", error=said(error))
                self._suspects.forget()

    async def _until_one_fails(self, session: Session) -> Failed | None:
        """Try group after group. After one that failed the connection may be lost."""
        while (group := await self._next()) is not None:
            began = monotonic()
            try:
                turned = await self._turner.take_apart(session, group.executions)
            except Exception as error:  # a turn may fail with anything: see the module
                return Failed(group, error, monotonic() - began)
            self._done(turned)
            self._suspects.tried(group, turned.claimed)
        return None

    async def _judge(self, failed: Failed) -> None:
        """Halve what failed; set apart what failed alone too often."""
        self._metrics.turns_failed.inc()
        executions = len(failed.group.executions)
        log.warning("turn_failed", executions=executions, error=said(failed.error))
        verdict = self._suspects.failed(failed.group, failed.error, failed.seconds)
        if verdict is None:
            return
        session = await self._database.session("resumer-apart")
        async with session.connection:
            if await self._set_apart(session, verdict, said(failed.error)):
                self._suspects.passed(failed.group)

    async def _set_apart(self, session: Session, verdict: Verdict, why: str) -> bool:
        """Write the incident. Where that fails too, the execution is tried again later."""
        execution = verdict.execution
        detail = f"{verdict.failures} turns with this execution alone failed: {why}"
        what = Incident(verdict.cause, detail, REMEDIES[verdict.cause])
        try:
            if await set_apart(session, execution, what):
                log.info("execution_cancelled", execution=str(execution), unread=why)
                return True
        except (psycopg.Error, ValueError) as error:
            log.error("not_set_apart", execution=str(execution), error=said(error))
            if not (is_poison(error) or is_foreign(error)):
                return False
            async with session.transaction():
                await give_up_requests(session, execution, why)
            return True
        log.error("execution_set_apart", execution=str(execution), cause=what.cause, error=why)
        self._metrics.set_apart.labels(what.cause).inc()
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
