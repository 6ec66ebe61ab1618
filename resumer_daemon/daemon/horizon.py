"""How far back a look goes: all the way, unless that takes long.

What is settled stays in the index of open requests for as long as somebody holds an old snapshot,
and whoever looks from its beginning goes through all of it. Then a look begins shortly before the
last one that went all the way. That one is done again within a second, for what was locked, is open
again, or was entered long before its commit.
"""

from time import monotonic
from typing import Final

from resumer_daemon.store.claim import ALL

SLOW: Final = 0.01
"""How many seconds a look may take that finds next to nothing."""

FEW: Final = 10
"""How much next to nothing is, in executions."""

AGAIN: Final = 1.0
"""How long looks may be short, in seconds."""

MARGIN: Final = 5.0
"""How many seconds may pass from a decision to its commit, so that a short look finds it."""


class Horizon:
    """What one lane knows of its looks; `last` is how many seconds back the last one went."""

    def __init__(self) -> None:
        self._all_at: float | None = None
        self.last = ALL

    def back(self) -> float:
        """Return how many seconds back to look."""
        if self._all_at is None or (passed := monotonic() - self._all_at) >= AGAIN:
            return ALL
        return passed + MARGIN

    def looked(self, back: float, began: float, found: int) -> None:
        """Learn from a look that has ended; it began at that time on `monotonic`."""
        self.last = back
        if back == ALL:
            slow = monotonic() - began > SLOW and found < FEW
            self._all_at = began if slow else None

    def forget(self) -> None:
        """Look all the way back next: something is there that was not claimed."""
        self._all_at = None

    def again_in(self) -> float | None:
        """Return the seconds after which to look all the way back, after a short look."""
        if self._all_at is None or self.last == ALL:
            return None
        return max(0.0, self._all_at + AGAIN - monotonic())
