"""Gauges read from the database at scrape time: true also while the daemon is stuck.

On a connection of their own, bounded, and cached where they are dear. A database that is away, or
does not answer in time, shows as `resumer_db_up 0`, never as a failing or a slow scrape.
"""

import asyncio
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any, Final

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from resumer_daemon.store.connect import ARGUMENTS
from resumer_daemon.store.statements import load

PATIENCE: Final = 0.5  # seconds that a scrape waits for the database
PAUSES_KEPT: Final = 15.0
REASONS: Final = frozenset(
    {"approval_required", "waiting_for_event", "waiting_for_time", "manual", "incident"}
)

Rows = list[dict[str, Any]]


class Gauges(Collector):
    """Asks the database in `refresh`, and tells what it answered in `collect`.

    `up`: the last answer came, and came in time.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AsyncConnection[Any] | None = None
        self._asking: asyncio.Task[None] | None = None
        self.up = False
        self._requests: Rows = []
        self._facts: Mapping[str, Any] = {}
        self._pauses: Rows = []
        self._pauses_read = -PAUSES_KEPT

    async def refresh(self) -> None:
        """Ask, and wait a moment for the answer; what comes later is told by the next scrape.

        Scrapes at the same time ask once, and none asks while an earlier one still waits.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait([self._asking], timeout=PATIENCE)
        if not done:
            self.up = False

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without a database only that it is away."""
        yield GaugeMetricFamily("resumer_db_up", "1 while the database answers.", value=self.up)
        if self.up:
            yield from _requests(self._requests)
            yield from _pauses(self._pauses)
            yield from _facts(self._facts)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield nothing: registering must not need the database."""
        return iter(())

    async def close(self) -> None:
        """Give up what is asked, and the connection, without waiting for anybody."""
        self._forget()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking], timeout=PATIENCE)

    async def _ask(self) -> None:
        try:
            self._requests = await self._rows("read_gauges")
            [self._facts] = await self._rows("read_facts")
            if monotonic() - self._pauses_read >= PAUSES_KEPT:
                self._pauses = await self._rows("read_pause_gauges")
                self._pauses_read = monotonic()
            self.up = True
        except psycopg.Error:
            self._forget()
            self.up = False

    async def _rows(self, statement: str) -> Rows:
        if self._connection is None:
            self._connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name="resumer-metrics",
                prepare_threshold=None,
                row_factory=dict_row,
                **ARGUMENTS,
            )
            await self._connection.execute(load("bound_scrape"))
        return await (await self._connection.execute(load(statement))).fetchall()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.pgconn.finish()  # a polite close would wait for a path that is dead
            self._connection = None


def _requests(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily(
        "resumer_requests_open", "Due requests that are not settled, up to 10,001.", labels=["kind"]
    )
    for row in rows:
        counted.add_metric([row["kind"]], row["open"])
    yield counted
    yield GaugeMetricFamily(
        "resumer_oldest_open_request_age_seconds",
        "How long the oldest due request waits; the one to alert on.",
        value=max((row["oldest"] for row in rows), default=0.0),
    )


def _pauses(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily("resumer_paused_executions", "Open pauses.", labels=["reason"])
    ages = GaugeMetricFamily(
        "resumer_oldest_pause_age_seconds", "How long the oldest pause lasts.", labels=["reason"]
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
        "Executions that wait for a person because of an incident.",
        value=open_.get("incident", 0),
    )


def _facts(facts: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    messages = GaugeMetricFamily(
        "resumer_outbox_messages",
        "Messages that wait for delivery or were given up, up to 10,001 each.",
        labels=["state"],
    )
    dead_rows = GaugeMetricFamily(
        "resumer_dead_rows",
        "Dead rows of our busiest tables, as of the server's statistics.",
        labels=["table"],
    )
    for state in ("pending", "dead"):
        messages.add_metric([state], facts.get(state, 0))
    for table in ("resume_requests", "pauses", "leases"):
        dead_rows.add_metric([table], facts.get(table) or 0)
    yield messages
    yield dead_rows
    for name, meaning in (
        ("approvals_expiring", "Approvals that expire within an hour, up to 10,001."),
        ("leases_held", "Executions that run or stand in line, up to 10,001."),
        ("notification_queue_usage", "How full the server's queue of notifications is, 0 to 1."),
        ("open_transactions_span", "Transaction ids from the oldest that is open to the newest."),
    ):
        yield GaugeMetricFamily(f"resumer_{name}", meaning, value=facts.get(name, 0))
