"""The times of polling: the wakeup that ends the worker's wait, and NOTIFY suppression.

A commit that notifies takes a lock on the whole database. While a daemon polls often anyway, it
suppresses NOTIFY in `resumer.control`, and the triggers do not notify.
"""

import asyncio
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Final, Literal, TypeAlias

from resumer_daemon.store.inbox import QueueStatus

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

    @property
    def is_set(self) -> bool:
        """True if the wait would end at once."""
        return self._event.is_set()

    async def wait(self, seconds: float, otherwise: WakeupSource) -> WakeupSource:
        """Wait until it is set and return the source. Return `otherwise` after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return otherwise
        return self._source


class Repeater:
    """Calls a function again and again, after so many seconds each, until it is cancelled."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self._seconds = seconds
        self._function = function
        self._schedule()

    def cancel(self) -> None:
        """Call the function no more."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._call)

    def _call(self) -> None:
        self._function()
        self._schedule()


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
