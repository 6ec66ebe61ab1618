"""When to poll and how far: the wakeup, NOTIFY suppression, and the bounds of a scan.

A commit that notifies takes a lock on the whole database. While a daemon polls often anyway, it
suppresses NOTIFY in `resumer.control`, and the triggers do not notify.

A settled row stays in an index of open work while anybody holds an old snapshot, and a scan from
the beginning reads all of them. So a scan that is slow begins shortly before the last full one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Final, Literal, TypeAlias
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from resumer_daemon.config import Settings
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.inbox import QueueStatus, ScanBounds, read_queue_status, send_status_query
from resumer_daemon.store.session import Session

WakeupSource: TypeAlias = Literal["notify", "active", "poll", "timer", "reconcile"]


class Wakeup:
    """Ends the worker's wait. The worker clears it before a claim, so a later one is not lost.

    `poll_interval`: the longest wait in seconds. It is shorter while nothing listens.
    """

    def __init__(self, poll_interval: float) -> None:
        self.poll_interval = poll_interval
        self._event = asyncio.Event()
        self._source: WakeupSource = "active"
        self._set_at = 0.0

    def set(self, source: WakeupSource) -> None:
        """End the wait. The first source since the last `clear` is the one that counts."""
        if not self._event.is_set():
            self._source = source
            self._set_at = perf_counter()
            self._event.set()

    def clear(self) -> float:
        """Clear the wakeup, because its reason is about to be read from the tables.

        Return when it was set, on `perf_counter`. Return the current time if it was not.
        """
        set_at = self._set_at if self._event.is_set() else perf_counter()
        self._event.clear()
        return set_at

    async def wait(self, seconds: float, otherwise: WakeupSource) -> WakeupSource:
        """Wait until it is set and return the source. Return `otherwise` after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return otherwise
        return self._source


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
            return ALL
        return self._age(self._full_scan_at) + MARGIN

    def observe(self, lookback: float, began: float, took: float, found: int) -> None:
        """Learn from a scan that began at `began` on `monotonic` and took the server `took`."""
        self._bounded = lookback != ALL
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


POLL_STEPS: Final = (0.005, 0.01, 0.02)
"""The seconds between polls after the last work. The last is the longest wait of a decision."""

LATE_WRITERS: Final = 0.5
"""The seconds between polls for writers that read "suppressed" and have not committed yet."""

MANY_FOUND: Final = 20
"""After so many executions in batch after batch, NOTIFY would cost the writers more.

One execution at a time, however often, costs them nothing noticeable, and NOTIFY is quicker.
"""

RENEW_AFTER: Final = 0.5
"""The seconds after which suppression is renewed. It holds for one second (`suppress_notify`)."""


class NotifySuppression:
    """Decides when one worker suppresses NOTIFY and polls instead. A new connection has a new one.

    A writer may read "suppressed" and commit long after. So the worker does not wait for NOTIFY
    until all transactions have ended that were open when suppression was last seen: `newest` of a
    status without suppression is reached by `oldest` of a later one. Then it polls once more,
    because a writer may have committed between that poll's claim and its status query.
    """

    def __init__(self) -> None:
        self.active = False
        self._renewed_at = 0.0
        self._found = 0
        self._step = 0
        self._no_late_writers = False
        self._newest: int | None = None

    def found_work(self, executions: int) -> None:
        """Count the executions of a batch."""
        self._found += executions
        self._step = 0

    @property
    def is_due(self) -> bool:
        """True when NOTIFY should be suppressed now, for the first time or again."""
        busy = self.active or self._found >= MANY_FOUND
        return busy and monotonic() - self._renewed_at >= RENEW_AFTER

    def suppressed(self) -> None:
        """Note that the suppression is committed."""
        self.active = True
        self._renewed_at = monotonic()

    @property
    def ends(self) -> bool:
        """True when NOTIFY should be restored: all polls of `POLL_STEPS` found no work."""
        return self.active and self._step == len(POLL_STEPS)

    def restored(self) -> None:
        """Note that NOTIFY is restored, and committed."""
        self.active, self._no_late_writers, self._newest = False, False, None
        self._renewed_at = 0.0

    def poll_in(self, status: QueueStatus) -> float | None:
        """Return the seconds until the next poll after one without work. None: wait for NOTIFY."""
        self._found = 0
        if self.active:
            self._step += 1
            return POLL_STEPS[self._step - 1]
        if status.suppressed_for is not None:  # by another daemon, which may die and leave it so
            self._no_late_writers, self._newest = False, None
            return min(status.suppressed_for, LATE_WRITERS)
        if self._no_late_writers:
            return None
        self._newest = status.newest if self._newest is None else self._newest
        self._no_late_writers = status.oldest >= self._newest
        return 0.0 if self._no_late_writers else LATE_WRITERS


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
