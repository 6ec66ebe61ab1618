"""Background work: a list of small statements, which one runner runs.

Each task is one statement with its own transaction, interval, limit, place and metrics. A task that
fails is logged and counted under its name and comes again; no other task waits for it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any, NoReturn, TypeAlias

import structlog

from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.store.maintenance import Statement
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.logs import format_error
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

Facts: TypeAlias = Mapping[str, object]
Row: TypeAlias = Mapping[str, Any]

SLICES = 100
"""Slices of a walk in one beat, unless it has to go on to the end of its lap."""

REST = 9.0
"""How much longer than a slice took a walk rests after it."""

SOON = 5.0
"""Seconds until a task that failed is repeated, at most; twice as long after each failure."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that looks at a few rows; `then` is given all that it returns."""

    name: str
    statement: Statement
    interval: float
    then: Callable[[Sequence[Row]], None]
    facts: Callable[[], Facts] = dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A statement that goes through a table in slices, lap after lap.

    It is given the place where a slice begins, which is `first` at the start of a lap, and the
    `limit` of the slice. It returns one row: the place where the next slice begins, whether there
    is `more` of this lap, and the number of rows that it has changed, in columns that are named as
    the metric labels them. Its changes are requests, unless it `erases`.
    """

    name: str
    statement: Statement
    interval: float
    first: Facts
    limit: int
    erases: bool = False
    facts: Facts = field(default_factory=dict)
    remembers: float = 0.0
    """For how many seconds a lap begins where the one before has ended, and not at `first`."""


Task: TypeAlias = Query | Scan


@dataclass(slots=True)
class _Progress:
    """The progress of a walk. `whole`: it goes to the end of its lap; `again`: the next too."""

    place: Facts
    limit: int
    whole: bool
    since: float
    again: bool = False


class Background:
    """Runs tasks, each in its own time. Walks take turns, one slice at a time.

    While the triggers are there nobody waits for a walk, so that it rests for longer than it works:
    a decision of this moment goes first. After the start, and while a trigger is missing, a walk
    goes on to the end of its lap; while a trigger is missing, without rests.
    """

    def __init__(self, pool: Pool, metrics: Metrics, wakeup: Wakeup) -> None:
        self._pool = pool
        self._metrics = metrics
        self._wakeup = wakeup
        self._turn = asyncio.Lock()
        self._progress: dict[str, _Progress] = {}
        self._hasty = False

    def hasten(self, hasty: bool) -> None:
        """Note whether a trigger is missing: what it does not leave is found by the walks alone.

        Once it is there again, the lap at hand is finished, and one more goes through everything.
        """
        if hasty or self._hasty:
            for progress in self._progress.values():
                progress.whole = progress.again = True
        self._hasty = hasty

    async def repeat(self, task: Task) -> NoReturn:
        """Run a task every `interval` seconds, for ever; sooner, where it failed."""
        failures = 0
        self._metrics.background_failures.labels(task.name)  # an increase is seen only from a 0
        while True:
            try:
                await self.run(task)
                failures = 0
            except Exception as error:  # whatever it is, no other task and no decision waits for it
                self._metrics.background_failures.labels(task.name).inc()
                log.warning("background_task_failed", task=task.name, error=format_error(error))
                failures += 1
            soon = SOON * 2 ** min(failures - 1, 10) if failures else task.interval
            await asyncio.sleep(min(task.interval, soon))

    async def run(self, task: Task) -> None:
        """Run a task once: a look, or some slices of a walk."""
        if isinstance(task, Query):
            facts = task.facts()
            task.then(await self._transaction(task, facts))
        else:
            await self._walk(task)

    async def _walk(self, walk: Scan) -> None:
        progress = self._progress.setdefault(
            walk.name, _Progress(walk.first, walk.limit, True, monotonic())
        )
        changed: Counter[str] = Counter()
        try:
            for number in count(1):
                async with self._turn:
                    began = monotonic()
                    more = await self._slice(walk, progress, changed)
                    if not more:
                        progress.whole, progress.again = progress.again, False
                        return
                    if walk.erases or not self._hasty:
                        await asyncio.sleep(REST * (monotonic() - began))
                if number >= SLICES and (walk.erases or not progress.whole):
                    return
        finally:
            for what, number in changed.items():
                if walk.erases:
                    log.info("erased", table=what, count=number)
                else:
                    log.info("reconciled", kind=what, count=number)

    async def _slice(self, walk: Scan, progress: _Progress, changed: Counter[str]) -> bool:
        """Take one slice and move on; tell whether there is more of this lap."""
        facts = {"limit": progress.limit, **progress.place, **walk.facts}
        try:
            [row] = await self._transaction(walk, facts, whole=True)
        except Exception:  # it may have been too much for one statement
            progress.limit = max(1, progress.limit // 4)
            raise
        progress.limit = min(walk.limit, progress.limit * 2)
        more = bool(row["more"])
        self._go_on(walk, progress, row, more=more)
        counts = {name: n for name, n in row.items() if n and name not in ("more", *walk.first)}
        self._changed(walk, counts)
        changed.update(counts)
        return more

    def _go_on(self, walk: Scan, progress: _Progress, row: Row, *, more: bool) -> None:
        now = monotonic()
        if more or now - progress.since < walk.remembers:
            progress.place = {name: row[name] for name in walk.first}
        else:
            progress.place, progress.since = walk.first, now

    def _changed(self, walk: Scan, counts: Mapping[str, int]) -> None:
        counter = self._metrics.erased if walk.erases else self._metrics.reconciled
        for what, number in counts.items():
            counter.labels(what).inc(number)
        if counts and not walk.erases:
            self._wakeup.set("reconcile")  # the requests are committed

    async def _transaction(self, task: Task, facts: Facts, *, whole: bool = False) -> Sequence[Row]:
        """Run a task's statement in a transaction of its own and return its rows.

        `whole`: all rows of the service must be seen, because what is not seen counts as gone.
        """
        async with self._pool.session() as session:
            began = monotonic()
            async with session.transaction():
                if whole:
                    await session.require_sight()
                rows = await task.statement.run(session, facts)
        self._metrics.background_runs.labels(task.name).inc()
        self._metrics.background_seconds.labels(task.name).inc(monotonic() - began)
        return rows
