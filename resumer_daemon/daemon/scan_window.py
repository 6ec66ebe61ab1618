"""The bounds of scans of the open requests, and the reader of the queue's status.

A settled row stays in an index of open work while anybody holds an old snapshot, and a scan from
the beginning reads all of them. So a scan that is slow begins shortly before the last full one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from resumer_daemon.config import Settings
from resumer_daemon.store.claim import UNBOUNDED
from resumer_daemon.store.inbox import QueueStatus, ScanBounds, read_queue_status, send_status_query
from resumer_daemon.store.session import Session

SLOW: Final = 0.003
"""A scan that takes the server longer than these seconds, and finds next to nothing, is slow."""

FEW: Final = 10
"""A scan finds next to nothing when it finds fewer executions."""

FULL_SCAN_AFTER: Final = 4.0
"""The seconds after which a scan is unbounded again, at the latest."""

HELP_AFTER: Final = 2.0
"""The seconds after which the overflow worker makes the full scan, so that no decision waits."""

MARGIN: Final = 5.0
"""The seconds that may pass between a decision and its commit, so that a bounded scan finds it."""

ID_INTERVAL: Final = 1.0
"""The seconds between two ids in an `IdHistory`."""


class ScanWindow:
    """The lower bound of scans. The worker and the overflow worker share it."""

    def __init__(self) -> None:
        self._full_scan_at: float | None = None
        self._bounded = False

    def lookback(self) -> float:
        """Return how many seconds back the next scan reads."""
        if self._full_scan_at is None or self._age(self._full_scan_at) >= FULL_SCAN_AFTER:
            return UNBOUNDED
        return self._age(self._full_scan_at) + MARGIN

    def observe(self, lookback: float, began: float, took: float, found: int) -> None:
        """Learn from a scan that began at `began` on `monotonic` and took the server `took`."""
        self._bounded = lookback != UNBOUNDED
        if not self._bounded:
            self._full_scan_at = began if took > SLOW and found < FEW else None

    def reset(self) -> None:
        """Make the next scan a full one, because there is work that was not claimed."""
        self._full_scan_at = None

    @property
    def wants_help(self) -> bool:
        """True when the overflow worker should make a full scan."""
        return self._full_scan_at is not None and self._age(self._full_scan_at) >= HELP_AFTER

    def full_scan_in(self) -> float | None:
        """Return the seconds until a full scan is due. None if the last scan was a full one."""
        if self._full_scan_at is None or not self._bounded:
            return None
        return max(0.0, FULL_SCAN_AFTER - self._age(self._full_scan_at))

    @staticmethod
    def _age(since: float) -> float:
        return monotonic() - since


class IdHistory:
    """The newest id at each time, for an index that has ids and no times."""

    def __init__(self) -> None:
        self._newest: deque[tuple[float, int]] = deque()

    def add(self, newest: int) -> None:
        """Note the id that is the newest now."""
        now = monotonic()
        if self._newest and newest < self._newest[-1][1]:
            self._newest.clear()  # another database, after a failover
        if not self._newest or now - self._newest[-1][0] >= ID_INTERVAL:
            self._newest.append((now, newest))
        while len(self._newest) > 1 and now - self._newest[1][0] > FULL_SCAN_AFTER + MARGIN:
            self._newest.popleft()

    def before(self, lookback: float) -> int:
        """Return an id that was the newest `lookback` seconds ago or earlier. 0: none is known."""
        until = monotonic() - lookback
        return max((newest for at, newest in self._newest if at <= until), default=0)


STATUS_INTERVAL: Final = 0.1
"""The seconds between two status queries while every batch finds work."""


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """A status query that was sent. Its row is fetched after the commit."""

    cursor: AsyncCursor[DictRow]
    bounds: ScanBounds
    began: float


class StatusReader:
    """Reads the status of the queue, within bounds that it learns from earlier reads."""

    def __init__(self, settings: Settings) -> None:
        self.window = ScanWindow()
        self._ids = IdHistory()
        # the worker polls again after so long: what is due later need not be known
        self._within = max(settings.poll_interval, settings.poll_only_interval)
        self._sent_at = 0.0
        self._found_work = False

    def is_due(self, found_work: bool) -> bool:
        """Tell whether to read after a batch: always if it found no work, seldom under load.

        Not after the first batch that found work, because the next batch reads.
        """
        now = monotonic()
        if found_work and not self._found_work:
            self._sent_at = now
        self._found_work = found_work
        return not found_work or now - self._sent_at >= STATUS_INTERVAL

    async def send(self, session: Session, lookback: float, without: Sequence[UUID]) -> StatusQuery:
        """Send the query in an open transaction. `without`: executions that no claim takes."""
        self._sent_at = began = monotonic()
        around = self.window.lookback()
        bounds = ScanBounds(self._within, lookback, around, self._ids.before(around))
        return StatusQuery(await send_status_query(session, bounds, without), bounds, began)

    async def fetch(self, query: StatusQuery) -> QueueStatus:
        """Fetch the status, and learn the bounds of the next read from it."""
        status = await read_queue_status(query.cursor, query.bounds)
        self._ids.add(status.newest_id)
        self.window.observe(query.bounds.around, query.began, status.took, status.found)
        return status
