"""The lower bound of a scan of open requests: none, unless a whole scan takes long.

What was settled stays in an index of open work for as long as somebody holds an old snapshot, and
whoever looks from its beginning goes through all of it. Then a look begins shortly before the
last one that went all the way. That one is done again every few seconds, for what was locked, is
open again, or was entered long before its commit: beside the worker while it is busy.
"""

from collections import deque
from time import monotonic
from typing import Final

from resumer_daemon.store.claim import ALL

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


class Horizon:
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


class Trail:
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
