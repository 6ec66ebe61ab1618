"""Gauges read from the database at scrape time, so they are true while the daemon is stuck.

They use bounded connections of their own. A database that is away, or does not respond in time,
shows as `resumer_db_up 0`, never as a failing or slow scrape. Counting the open pauses takes as
long as there are many: it runs beside the scrape, and its result is kept for a while.
"""

import asyncio
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any, Final, get_args

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import dict_row

from resumer_daemon.engine.vocabulary import PauseReason
from resumer_daemon.store.connection import ARGUMENTS, READING, settings
from resumer_daemon.store.session import Pool
from resumer_daemon.store.statements import load

Rows = list[dict[str, Any]]


class MetricsConnection:
    """Opens its connection when it is asked, and again after it was forgotten.

    `standby`: to whatever server there is, also to one that takes no writes.
    """

    def __init__(self, url: str, *, standby: bool = False) -> None:
        self._url = url
        self._arguments = READING if standby else ARGUMENTS
        self._connection: AsyncConnection[Any] | None = None

    async def rows(self, statement: str) -> Rows:
        """Return the rows of a statement. Raises psycopg's errors.

        A connection that was ended since the last scrape does not mean that the database is away.
        """
        if self._connection is not None:
            try:
                return await self._ask(statement)
            except psycopg.OperationalError:
                self.forget()
        return await self._ask(statement)

    async def _ask(self, statement: str) -> Rows:
        if self._connection is None:
            self._connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name="resumer-metrics",
                prepare_threshold=None,
                row_factory=dict_row,
                **self._arguments,
            )
            await self._connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
            await self._connection.set_read_only(True)
            await self._connection.set_deferrable(False)
        async with self._connection.transaction():
            await self._connection.execute(*settings(local=True))
            await self._connection.execute(load("gauges.limit_scrape"))
            cursor = await self._connection.execute(load(statement))
            return await cursor.fetchall()

    def forget(self) -> None:
        """Close the connection hard: a polite close would wait for a path that may be dead."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None


PATIENCE: Final = 0.5  # seconds that a scrape waits for the database
DEAR: Final = 0.05  # seconds more that it waits for a new count of the pauses
KEPT: Final = 50  # times as long as it took to count: 2 % of the time are spent on it, at most
REASONS: Final = frozenset(get_args(PauseReason))


class Gauges(Collector):
    """Asks the database in `refresh`, and tells what it answered in `collect`.

    `up`: the last answer came, and came in time. `standby`: a server that only reads will do.
    """

    def __init__(self, url: str, *, standby: bool = False) -> None:
        self.up = False
        self._now, self._dear = (MetricsConnection(url, standby=standby) for _ in range(2))
        self._asking: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._count_again = 0.0
        self._requests: Rows = []
        self._facts: Mapping[str, Any] = {}
        self._pauses: Rows | None = None

    async def refresh(self) -> None:
        """Ask, and wait a moment for the answer; what comes later is told by the next scrape.

        Scrapes at the same time ask once, and none asks while an earlier one still waits.
        """
        if self._counting is None or (self._counting.done() and monotonic() >= self._count_again):
            self._counting = asyncio.create_task(self._count())
        if await self._asked():
            await asyncio.wait([self._counting], timeout=DEAR)

    async def _asked(self) -> bool:
        """Ask, unless that is under way, and tell whether the answer came in time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        answered, _ = await asyncio.wait([self._asking], timeout=PATIENCE)
        self.up = self.up and bool(answered)
        return bool(answered)

    async def commits_hang(self) -> bool:
        """Ask whether commits wait for a synchronous standby that is not there."""
        await self._asked()
        return self.up and bool(self._facts.get("commits_hang"))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without a database only that it is away."""
        yield GaugeMetricFamily("resumer_db_up", "1 while the database answers.", value=self.up)
        if self.up:
            yield from _requests(self._requests)
            yield from _facts(self._facts)
            if self._pauses is not None:
                yield from _pauses(self._pauses)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield nothing: registering must not need the database."""
        return iter(())

    async def close(self) -> None:
        """Give up what is asked, and the connections, without waiting for anybody."""
        self._now.forget()
        self._dear.forget()
        if under_way := [task for task in (self._asking, self._counting) if task is not None]:
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way, timeout=PATIENCE)

    async def _ask(self) -> None:
        try:
            self._requests = await self._now.rows("gauges.read_requests")
            [self._facts] = await self._now.rows("gauges.read_server")
            self.up = True
        except psycopg.Error:
            self._now.forget()
            self.up = False

    async def _count(self) -> None:
        began = monotonic()
        try:
            self._pauses = await self._dear.rows("gauges.read_pauses")
        except psycopg.Error:
            self._dear.forget()  # `_ask` tells of it
        self._count_again = monotonic() + KEPT * (monotonic() - began)


def _requests(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily(
        "resumer_requests_open",
        "Due requests that are not settled, at most 10,001.",
        labels=["kind"],
    )
    for row in rows:
        counted.add_metric([row["kind"]], row["open"])
    yield counted
    yield GaugeMetricFamily(
        "resumer_oldest_open_request_age_seconds",
        "Seconds that the oldest due request has waited. Alert on this one.",
        value=max((row["oldest"] for row in rows), default=0.0),
    )


def _pauses(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily("resumer_paused_executions", "Open pauses.", labels=["reason"])
    ages = GaugeMetricFamily(
        "resumer_oldest_pause_age_seconds",
        "Seconds since the oldest open pause began.",
        labels=["reason"],
    )
    open_, oldest = dict[str, int](), dict[str, float]()
    for row in rows:
        # another program may call its pause anything, and labels are closed
        reason = row["reason"] if row["reason"] in REASONS else "other"
        open_[reason] = open_.get(reason, 0) + row["open"]
        oldest[reason] = max(oldest.get(reason, 0.0), row["oldest"])
    for reason, count in open_.items():
        counted.add_metric([reason], count)
        ages.add_metric([reason], oldest[reason])
    yield counted
    yield ages
    yield GaugeMetricFamily(
        "resumer_incidents_open",
        "Executions that an incident stopped.",
        value=open_.get("incident", 0),
    )


def _facts(facts: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    messages = GaugeMetricFamily(
        "resumer_outbox_messages",
        "Messages that are pending or dead, at most 10,001 each.",
        labels=["state"],
    )
    dead_tuples = GaugeMetricFamily(
        "resumer_dead_tuples",
        "Dead rows of the busiest tables, from the server's statistics.",
        labels=["table"],
    )
    for state in ("pending", "dead"):
        messages.add_metric([state], facts.get(state, 0))
    for table in ("resume_requests", "pauses", "leases"):
        dead_tuples.add_metric([table], facts.get(table) or 0)
    yield messages
    yield dead_tuples
    for name, meaning in (
        ("approvals_expiring", "Approvals that expire within an hour, at most 10,001."),
        ("leases_held", "Executions that run or wait for capacity, at most 10,001."),
        ("notification_queue_usage", "Fill level of the server's notification queue, 0 to 1."),
        ("oldest_transaction_age_xids", "Age of the oldest open transaction, in transaction ids."),
    ):
        yield GaugeMetricFamily(f"resumer_{name}", meaning, value=facts.get(name, 0))


class PoolGauges(Collector):
    """Tells what the pool counts of itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield its connections, who waits for one, and for how long."""
        said = self._pool.stats()
        idle = said.get("pool_available", 0)
        connections = GaugeMetricFamily(
            "resumer_pool_connections", "Connections of the pool.", labels=["state"]
        )
        connections.add_metric(["idle"], idle)
        connections.add_metric(["used"], said.get("pool_size", 0) - idle)
        yield connections
        yield GaugeMetricFamily(
            "resumer_pool_max_connections",
            "Largest number of connections of the pool (`RESUMER_POOL_SIZE`).",
            value=said.get("pool_max", 0),
        )
        yield GaugeMetricFamily(
            "resumer_pool_waiting",
            "Tasks that wait for a connection of the pool.",
            value=said.get("requests_waiting", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_requests",
            "Requests for a connection of the pool.",
            value=said.get("requests_num", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_wait_seconds",
            "Seconds that all these requests waited.",
            value=said.get("requests_wait_ms", 0) / 1000,
        )
        yield CounterMetricFamily(
            "resumer_pool_errors",
            "Connections that could not be opened, or were lost, or waited for in vain.",
            value=sum(
                said.get(what, 0)
                for what in ("connections_errors", "connections_lost", "requests_errors")
            ),
        )
