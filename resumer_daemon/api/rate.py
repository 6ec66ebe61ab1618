"""How often one may ask: a bucket for each caller, which fills again as time passes."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

KEPT = 10_000  # buckets; who was not seen for longest is forgotten, and begins with a full one


class Rate:
    """Grants `rate` requests a second to each, and as many at once, at least one."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, rate)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Return the seconds until the next request would be granted; 0 is now."""
        return max(0.0, (1.0 - self._left(who)) / self._rate)

    def count(self, who: str) -> None:
        """Count a request."""
        self._buckets[who] = (max(0.0, self._left(who) - 1.0), self._clock())
        self._buckets.move_to_end(who)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)

    def _left(self, who: str) -> float:
        left, at = self._buckets.get(who, (self._most, self._clock()))
        return min(self._most, left + (self._clock() - at) * self._rate)
