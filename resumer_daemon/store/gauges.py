"""Lag and other gauges, read from the database at each scrape.

They are correct while a worker makes no progress. They use bounded connections of their own. An
unreachable or slow database shows as `resumer_db_up 0`, never as a failing or slow scrape. The time
to count open pauses grows with their number, so the count runs beside the scrape and is cached.
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
    """A connection that opens when it is used, and again after `forget`.

    `standby`: a server that accepts no writes will do.
    """

    def __init__(self, url: str, *, standby: bool = False) -> None:
        self._url = url
        self._arguments = READING if standby else ARGUMENTS
        self._connection: AsyncConnection[Any] | None = None

    async def rows(self, statement: str) -> Rows:
        """Return the rows of a statement. Raises psycopg's errors.

        If the connection was closed since the last scrape, it is opened again.
        """
        if self._connection is not None:
            try:
                return await self._fetch(statement)
            except psycopg.OperationalError:
                self.forget()
        return await self._fetch(statement)

    async def _fetch(self, statement: str) -> Rows:
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
        """Close the socket at once; an orderly close would wait for a path that may be dead."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None


PATIENCE: Final = 0.5  # seconds that a scrape waits for the database
COUNT_PATIENCE: Final = 0.05  # seconds more that it waits for a new count of the pauses
KEPT: Final = 50  # multiple of the counting time: at most 2 % of the time is spent counting
REASONS: Final = frozenset(get_args(PauseReason))


class Gauges(Collector):
    """Read the database in `refresh`, and yield the values in `collect`.

    `up`: the last response came in time. `standby`: a server that accepts no writes will do.
    """

    def __init__(self, url: str, *, standby: bool = False) -> None:
        self.up = False
        self._now, self._slow = (MetricsConnection(url, standby=standby) for _ in range(2))
        self._reading: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._count_again = 0.0
        self._requests: Rows = []
        self._facts: Mapping[str, Any] = {}
        self._pauses: Rows | None = None

    async def refresh(self) -> None:
        """Read the values and wait a moment; the next scrape shows those that come later.

        Concurrent scrapes share one read. None starts while an earlier one still waits.
        """
        if self._counting is None or (self._counting.done() and monotonic() >= self._count_again):
            self._counting = asyncio.create_task(self._count())
        if await self._refreshed():
            await asyncio.wait([self._counting], timeout=COUNT_PATIENCE)

    async def _refreshed(self) -> bool:
        """Read the values, unless a read is in progress; return whether they came in time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        answered, _ = await asyncio.wait([self._reading], timeout=PATIENCE)
        self.up = self.up and bool(answered)
        return bool(answered)

    async def commits_hang(self) -> bool:
        """Return whether commits wait for a synchronous standby that is missing."""
        await self._refreshed()
        return self.up and bool(self._facts.get("commits_hang"))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without a database only `resumer_db_up`."""
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
        """Cancel reads and close the connections without waiting for the server."""
        self._now.forget()
        self._slow.forget()
        if running := [task for task in (self._reading, self._counting) if task is not None]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=PATIENCE)

    async def _read(self) -> None:
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
            self._pauses = await self._slow.rows("gauges.read_pauses")
        except psycopg.Error:
            self._slow.forget()  # `_read` sets `up`
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
    """Gauges and counters of the connection pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield connections, waiting tasks and waiting times."""
        stats = self._pool.stats()
        idle = stats.get("pool_available", 0)
        connections = GaugeMetricFamily(
            "resumer_pool_connections", "Connections of the pool.", labels=["state"]
        )
        connections.add_metric(["idle"], idle)
        connections.add_metric(["used"], stats.get("pool_size", 0) - idle)
        yield connections
        yield GaugeMetricFamily(
            "resumer_pool_max_connections",
            "Largest number of connections of the pool (`RESUMER_POOL_SIZE`).",
            value=stats.get("pool_max", 0),
        )
        yield GaugeMetricFamily(
            "resumer_pool_waiting",
            "Tasks that wait for a connection of the pool.",
            value=stats.get("requests_waiting", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_requests",
            "Requests for a connection of the pool.",
            value=stats.get("requests_num", 0),
        )
        yield CounterMetricFamily(
            "resumer_pool_wait_seconds",
            "Seconds that all these requests waited.",
            value=stats.get("requests_wait_ms", 0) / 1000,
        )
        yield CounterMetricFamily(
            "resumer_pool_errors",
            "Connections that could not be opened, or were lost, or waited for in vain.",
            value=sum(
                stats.get(what, 0)
                for what in ("connections_errors", "connections_lost", "requests_errors")
            ),
        )
