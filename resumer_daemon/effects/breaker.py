"""A circuit breaker: a host that keeps failing is left in peace for a while."""

from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row for `rest` seconds, then lets a single probe through.

    The probe's outcome closes it, or opens it again. Times are of a monotonic clock.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._closed_at = 0.0
        self._probing = False

    @property
    def pristine(self) -> bool:
        """Tell whether there is nothing to remember about this host."""
        return self._failures == 0

    def wait(self) -> float:
        """Return the seconds before the next request is worth asking for; 0 is now."""
        if self._failures < self._limit:
            return 0.0
        if self._probing:
            return self._rest
        return max(0.0, self._closed_at - self._clock())

    def enter(self) -> None:
        """Note that a request goes out; of an open breaker it is the probe."""
        self._probing = self._failures >= self._limit

    def leave(self, well: bool | None) -> None:
        """Note what became of a request; None is for what says nothing about the host."""
        if well is None:
            self._probing = False
        elif well:
            self._failures = 0
            self._probing = False
        else:
            self._failures += 1
            self._fail()

    def _fail(self) -> None:
        if self._failures >= self._limit:
            self._closed_at = self._clock() + self._rest
            self._probing = False
