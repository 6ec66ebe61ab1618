"""Run the background tasks, each of them one statement in a transaction of its own.

Each task has its own interval, limit, cursor and metrics. A task that fails is logged and counted
under its name, and is repeated. No other task waits for it.
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
"""Slices of a scan in one interval, unless it has to reach the end of the table."""

REST = 9.0
"""A scan waits this many times as long as its slice took."""

RETRY_FIRST = 5.0
"""Seconds until a failed task is repeated, at most. They double with each failure in a row."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that reads few rows, and a function `then` that receives them."""

    name: str
    statement: Statement
    interval: float
    then: Callable[[Sequence[Row]], None]
    facts: Callable[[], Facts] = dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A statement that reads a table in slices, from its beginning to its end, again and again.

    Its parameters are the cursor of a slice, which is `first` at the beginning of the table, and
    the `limit` of the slice. It returns one row: the cursor of the next slice, whether there is
    `more` of the table, and the number of rows that it changed, in columns that are named as the
    label of the metric. Its changes are requests, unless it `erases`.
    """

    name: str
    statement: Statement
    interval: float
    first: Facts
    limit: int
    erases: bool = False
    facts: Facts = field(default_factory=dict)
    remembers: float = 0.0
    """For so many seconds the next scan begins where the last one ended, and not at `first`."""


Task: TypeAlias = Query | Scan


@dataclass(slots=True)
class _Progress:
    """The progress of a scan.

    `whole`: it goes on to the end of the table. `again`: the next one does so too. `since`: when it
    last began at `first`.
    """

    cursor: Facts
    limit: int
    whole: bool
    since: float
    again: bool = False


class Background:
    """Runs tasks at their intervals. Scans share one lock, so one slice runs at a time.

    While all triggers fire, no decision depends on a scan, so it waits for longer than it works.
    After the start, and while a trigger is missing, a scan goes on to the end of its table. While a
    trigger is missing it does not wait between slices.

    No task runs while `migrated` is not set, because its tables do not exist.
    """

    def __init__(
        self, pool: Pool, metrics: Metrics, wakeup: Wakeup, migrated: asyncio.Event | None = None
    ) -> None:
        self._migrated = migrated
        self._pool = pool
        self._metrics = metrics
        self._wakeup = wakeup
        self._slice_lock = asyncio.Lock()
        self._progress: dict[str, _Progress] = {}
        self._hasty = False

    def hasten(self, hasty: bool) -> None:
        """Note whether a trigger is missing, because then only the scans find changes.

        When it fires again, the current scan goes on to the end, and one more reads everything.
        """
        if hasty or self._hasty:
            for progress in self._progress.values():
                progress.whole = progress.again = True
        self._hasty = hasty

    async def repeat(self, task: Task) -> NoReturn:
        """Run a task every `interval` seconds, for ever. After a failure, run it sooner."""
        failures = 0
        self._metrics.background_failures.labels(
            task.name
        )  # Prometheus sees an increase only from a 0
        while True:
            if self._migrated is not None:
                await self._migrated.wait()
            try:
                await self.run(task)
                failures = 0
            except Exception as error:  # of whatever kind: the other tasks go on
                self._metrics.background_failures.labels(task.name).inc()
                log.warning("background_task_failed", task=task.name, error=format_error(error))
                failures += 1
            soon = RETRY_FIRST * 2 ** min(failures - 1, 10) if failures else task.interval
            await asyncio.sleep(min(task.interval, soon))

    async def run(self, task: Task) -> None:
        """Run a task once: a query, or some slices of a scan."""
        if isinstance(task, Query):
            facts = task.facts()
            task.then(await self._transaction(task, facts))
        else:
            await self._scan(task)

    async def _scan(self, scan: Scan) -> None:
        progress = self._progress.setdefault(
            scan.name, _Progress(scan.first, scan.limit, True, monotonic())
        )
        changed: Counter[str] = Counter()
        try:
            for number in count(1):
                async with self._slice_lock:
                    began = monotonic()
                    more = await self._slice(scan, progress, changed)
                    if not more:
                        progress.whole, progress.again = progress.again, False
                        return
                    if scan.erases or not self._hasty:
                        await asyncio.sleep(REST * (monotonic() - began))
                if number >= SLICES and (scan.erases or not progress.whole):
                    return
        finally:
            for kind, number in changed.items():
                if scan.erases:
                    log.info("erased", table=kind, count=number)
                else:
                    log.info("reconciled", kind=kind, count=number)

    async def _slice(self, scan: Scan, progress: _Progress, changed: Counter[str]) -> bool:
        """Run one slice and advance the cursor. Tell whether there is more of the table."""
        facts = {"limit": progress.limit, **progress.cursor, **scan.facts}
        try:
            [row] = await self._transaction(scan, facts, whole=True)
        except Exception:  # the slice may have been too large for one statement
            progress.limit = max(1, progress.limit // 4)
            raise
        progress.limit = min(scan.limit, progress.limit * 2)
        more = bool(row["more"])
        self._advance(scan, progress, row, more=more)
        counts = {name: n for name, n in row.items() if n and name not in ("more", *scan.first)}
        self._count(scan, counts)
        changed.update(counts)
        return more

    def _advance(self, scan: Scan, progress: _Progress, row: Row, *, more: bool) -> None:
        now = monotonic()
        if more or now - progress.since < scan.remembers:
            progress.cursor = {name: row[name] for name in scan.first}
        else:
            progress.cursor, progress.since = scan.first, now

    def _count(self, scan: Scan, counts: Mapping[str, int]) -> None:
        counter = self._metrics.erased if scan.erases else self._metrics.reconciled
        for kind, number in counts.items():
            counter.labels(kind).inc(number)
        if counts and not scan.erases:
            self._wakeup.set("reconcile")  # the requests are committed

    async def _transaction(self, task: Task, facts: Facts, *, whole: bool = False) -> Sequence[Row]:
        """Run a task's statement in a transaction of its own and return its rows.

        `whole`: the role must see all rows of the service, because a row that it does not see
        counts as deleted.
        """
        async with self._pool.session() as session:
            began = monotonic()
            async with session.transaction():
                if whole:
                    await session.require_visible_rows()
                rows = await task.statement.run(session, facts)
        self._metrics.background_runs.labels(task.name).inc()
        self._metrics.background_seconds.labels(task.name).inc(monotonic() - began)
        return rows
