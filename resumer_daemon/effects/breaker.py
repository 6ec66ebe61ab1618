"""A circuit breaker: a host that keeps failing is left in peace for a while."""

from collections.abc import Callable
from typing import Final

_PROBE: Final = 1.0


class Breaker:
    """Opens after `failures` in a row for `rest` seconds, then lets a single probe through.

    The probe's outcome closes it, or opens it again. Times are of a monotonic clock.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
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
            return min(self._rest, _PROBE)
        return max(0.0, self._closed_until - self._clock())

    def enter(self) -> bool:
        """Note that a request goes out, and tell whether it is the probe; `leave` wants to know."""
        probe = self._failures >= self._limit
        self._probing = self._probing or probe
        return probe

    def leave(self, well: bool | None, probe: bool) -> None:
        """Note what became of a request; None is for what says nothing about the host."""
        if probe:
            self._probing = False
        if well:
            self._failures = 0
        elif well is not None:
            self._failures += 1
            # Not for what was under way already: a slow failure says nothing new.
            if probe or self._failures == self._limit:
                self._closed_until = self._clock() + self._rest
