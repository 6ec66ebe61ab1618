"""A budget for retries: when everything fails, retries must not multiply the load."""

from collections.abc import Callable


class RetryBudget:
    """A token bucket for all hosts together: each first attempt pays in, each retry takes one out.

    `share` of a token is paid in by a first attempt, and `floor` tokens by every second, so that a
    daemon with little to do may retry too; at most `most` are kept. It starts full.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        share: float = 0.1,
        floor: float = 1.0,
        most: float = 100.0,
    ) -> None:
        self._clock = clock
        self._share = share
        self._floor = floor
        self._most = most
        self._tokens = most
        self._seen = clock()

    def pay(self) -> None:
        """Pay in for a first attempt."""
        self._flow()
        self._tokens = min(self._most, self._tokens + self._share)

    def wait(self) -> float:
        """Return the seconds before a retry is worth asking for; 0 is now."""
        self._flow()
        return max(0.0, (1.0 - self._tokens) / self._floor)

    def take(self) -> None:
        """Take one out for a retry, after `wait` returned 0."""
        self._tokens -= 1.0

    def _flow(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._floor)
        self._seen = now
