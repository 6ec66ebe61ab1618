"""When to poll and how far: the wakeup, NOTIFY suppression, and the bounds of a scan.

A commit that notifies takes a lock on the whole database. While a daemon polls often anyway, it
records "polling" in `resumer.control`, and the triggers do not notify.

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

Source: TypeAlias = Literal["notify", "active", "poll", "timer", "reconcile"]


class Wakeup:
    """Wakes the worker. Cleared before a look, so that what comes during it wakes again."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._source: Source = "active"
        self._heard = 0.0

    def set(self, source: Source) -> None:
        """Wake whoever waits; the first source since the last look is the one that counts."""
        if not self._event.is_set():
            self._source = source
            self._heard = perf_counter()
            self._event.set()

    def clear(self) -> float:
        """Forget what has woken us, for what it spoke of is about to be looked at.

        Return when it did, on `perf_counter`; now, where nothing has.
        """
        heard = self._heard if self._event.is_set() else perf_counter()
        self._event.clear()
        return heard

    async def wait(self, seconds: float, otherwise: Source) -> Source:
        """Wait to be woken and return by whom; after `seconds` return `otherwise`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return otherwise
        return self._source


SLOW: Final = 0.003
"""How many seconds a look that finds next to nothing may take the server."""

FEW: Final = 10
"""How much next to nothing is, in executions."""

AGAIN: Final = 4.0
"""After how many seconds to look all the way back again, at the latest."""

BESIDE: Final = 2.0
"""After how many seconds somebody else should, so that no decision waits behind it."""

MARGIN: Final = 5.0
"""How many seconds may pass from a decision to its commit, so that a short look finds it."""

APART: Final = 1.0
"""How many seconds pass between two ids that a trail keeps."""


class ScanWindow:
    """The lower bound that the lanes of one worker share."""

    def __init__(self) -> None:
        self._all_at: float | None = None
        self._short = False

    def back(self) -> float:
        """Return how many seconds back to look."""
        if self._all_at is None or self._passed(self._all_at) >= AGAIN:
            return ALL
        return self._passed(self._all_at) + MARGIN

    def looked(self, back: float, began: float, took: float, found: int) -> None:
        """Learn from a look: it began at that time on `monotonic`, and took the server so long."""
        self._short = back != ALL
        if not self._short:
            self._all_at = began if took > SLOW and found < FEW else None

    def forget(self) -> None:
        """Look all the way back next: something is there that was not claimed."""
        self._all_at = None

    @property
    def wants_help(self) -> bool:
        """Tell whether another lane should look all the way back."""
        return self._all_at is not None and self._passed(self._all_at) >= BESIDE

    def again_in(self) -> float | None:
        """Return the seconds after which to look all the way back, after a short look."""
        if self._all_at is None or not self._short:
            return None
        return max(0.0, AGAIN - self._passed(self._all_at))

    @staticmethod
    def _passed(since: float) -> float:
        return monotonic() - since


class IdHistory:
    """The newest id at each time, for an index that has ids and no times."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, newest: int) -> None:
        """Note the id that is the newest now."""
        now = monotonic()
        if self._seen and newest < self._seen[-1][1]:
            self._seen.clear()  # another database, after a failover
        if not self._seen or now - self._seen[-1][0] >= APART:
            self._seen.append((now, newest))
        while len(self._seen) > 1 and now - self._seen[1][0] > AGAIN + MARGIN:
            self._seen.popleft()

    def before(self, back: float) -> int:
        """Return an id that was the newest so many seconds ago, or earlier; 0 if none is known."""
        until = monotonic() - back
        return max((newest for at, newest in self._seen if at <= until), default=0)


STEPS: Final = (0.005, 0.01, 0.02)
"""How long after the last work to look again; the last step is the longest wait of a decision."""

LATE: Final = 0.5
"""How often to look for who has read "awake" and has not committed yet."""

MANY_FOUND: Final = 20
"""After so many executions turn after turn, to be called would cost the writers more.

One at a time, however often, costs them nothing that they would notice, and a call is quicker.
"""

RENEWED: Final = 0.5
"""How often "awake" is said again; it holds for a second (`inbox.suppress_notify`)."""


class NotifySuppression:
    """What one worker knows of who is awake. A new connection begins a new one."""

    def __init__(self) -> None:
        self.awake = False
        self._said = 0.0
        self._found = 0
        self._step = 0
        self._sure = False
        self._mark: int | None = None

    def worked(self, found: int) -> None:
        """A turn found work: so many executions."""
        self._found += found
        self._step = 0

    @property
    def stays_awake(self) -> bool:
        """Tell whether "awake" should be said now, for the first time or again."""
        busy = self.awake or self._found >= MANY_FOUND
        return busy and monotonic() - self._said >= RENEWED

    def said_awake(self) -> None:
        """It was said, and committed."""
        self.awake = True
        self._said = monotonic()

    @property
    def lies_down(self) -> bool:
        """Tell whether "awake" should be withdrawn: all steps have passed without work."""
        return self.awake and self._step == len(STEPS)

    def withdrew(self) -> None:
        """It was withdrawn, and committed."""
        self.awake, self._sure, self._mark = False, False, None
        self._said = 0.0

    def rest(self, outlook: QueueStatus) -> float | None:
        """Return the seconds after which to look again, having found nothing; None: sleep."""
        self._found = 0
        if self.awake:
            self._step += 1
            return STEPS[self._step - 1]
        if outlook.awake_for is not None:  # another daemon; should it die, its writers stay silent
            self._sure, self._mark = False, None
            return min(outlook.awake_for, LATE)
        if self._sure:
            return None
        self._mark = outlook.newest if self._mark is None else self._mark
        self._sure = outlook.oldest >= self._mark
        return 0.0 if self._sure else LATE


BUSY_INTERVAL: Final = 0.1
"""How many seconds pass between two questions while every turn finds work."""


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """A question that was sent."""

    cursor: AsyncCursor[DictRow]
    bounds: ScanBounds
    began: float


class StatusReader:
    """Asks for the outlook, and learns from each answer how far back the next one has to go."""

    def __init__(self, settings: Settings) -> None:
        self.horizon = ScanWindow()
        self._trail = IdHistory()
        # whoever sleeps looks again after so long: what is due later need not be known
        self._within = max(settings.poll_interval, settings.poll_only_interval)
        self._asked_at = 0.0
        self._found = False

    def wanted(self, claimed: Sequence[UUID]) -> bool:
        """Tell whether to ask after a turn: after one that found nothing; under load, seldom.

        Not after the first one that found something, because the next turn asks.
        """
        now = monotonic()
        if claimed and not self._found:
            self._asked_at = now
        self._found = bool(claimed)
        return not claimed or now - self._asked_at >= BUSY_INTERVAL

    async def ask(self, session: Session, back: float, without: Sequence[UUID]) -> StatusQuery:
        """Send the question in an open transaction; its answer is fetched after the commit."""
        self._asked_at = began = monotonic()
        around = self.horizon.back()
        bounds = ScanBounds(self._within, back, around, self._trail.before(around))
        return StatusQuery(await send_status_query(session, bounds, without), bounds, began)

    async def answer(self, asked: StatusQuery) -> QueueStatus:
        """Fetch the answer."""
        outlook = await read_queue_status(asked.cursor, asked.bounds)
        self._trail.saw(outlook.newest_id)
        self.horizon.looked(asked.bounds.around, asked.began, outlook.took, outlook.found)
        return outlook
