"""Gauges read from the database at scrape time: true also while the daemon is stuck.

On a connection of their own, bounded, and cached where they are dear; a database that is away shows
as `resumer_db_up 0`, never as a failing scrape.
"""

from collections.abc import Iterator
from threading import Lock, Timer
from time import monotonic
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from resumer_daemon.store.deadline import hang_up
from resumer_daemon.store.statements import load

PAUSES_KEPT = 15.0
PATIENCE = 4.0  # seconds for an answer; the server ends a statement after two

Rows = list[tuple[Any, ...]]


class Gauges(Collector):
    """Asks the database when it is scraped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._pauses: Rows = []
        self._pauses_read = -PAUSES_KEPT

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without a database only that it is away."""
        requests: Rows = []
        with self._lock:
            try:
                requests = self._ask("read_gauges")
                if monotonic() - self._pauses_read >= PAUSES_KEPT:
                    self._pauses = self._ask("read_pause_gauges")
                    self._pauses_read = monotonic()
                up = 1
            except psycopg.Error:
                self._forget()
                up = 0
        yield GaugeMetricFamily("resumer_db_up", "1 while the database answers.", value=up)
        if up:
            yield from _requests(requests)
            yield from _pauses(self._pauses)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield nothing: registering must not need the database."""
        return iter(())

    def close(self) -> None:
        """Close its connection; a later scrape opens another."""
        with self._lock:
            self._forget()

    def _ask(self, statement: str) -> Rows:
        """Ask; a connection that was ended since the last scrape does not mean an outage."""
        if self._connection is not None:
            try:
                return self._answer(statement)
            except psycopg.OperationalError:
                self._forget()
        return self._answer(statement)

    def _answer(self, statement: str) -> Rows:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=2, application_name="resumer-metrics",
                prepare_threshold=None,
            )  # fmt: skip
        closing = Timer(PATIENCE, hang_up, [self._connection])
        closing.start()
        try:
            with self._connection.transaction():
                self._connection.execute(load("bound_scrape"))
                return self._connection.execute(load(statement)).fetchall()
        finally:
            closing.cancel()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _requests(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily(
        "resumer_requests_open", "Due requests that are not settled, up to 10,001.", labels=["kind"]
    )
    for kind, count, _ in rows:
        counted.add_metric([kind], count)
    yield counted
    yield GaugeMetricFamily(
        "resumer_oldest_open_request_age_seconds",
        "How long the oldest due request waits; the one to alert on.",
        value=max((oldest for _, _, oldest in rows), default=0.0),
    )


def _pauses(rows: Rows) -> Iterator[GaugeMetricFamily]:
    counted = GaugeMetricFamily("resumer_paused_executions", "Open pauses.", labels=["reason"])
    ages = GaugeMetricFamily(
        "resumer_oldest_pause_age_seconds", "How long the oldest pause lasts.", labels=["reason"]
    )
    for reason, count, oldest in rows:
        counted.add_metric([reason], count)
        ages.add_metric([reason], oldest)
    yield counted
    yield ages
