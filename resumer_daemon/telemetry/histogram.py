"""A histogram for the hot path: an observation is a bisection and two additions.

The library's own takes locks for processes and threads that we do not have: it is observed in the
event loop alone, and a scrape in another thread may be one observation behind.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import Exemplar, HistogramMetricFamily
from prometheus_client.registry import Collector


class Observed:
    """The observations under one set of labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        """Count a value, in seconds; an exemplar is kept until the next of its bucket."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if exemplar is not None:
            self.exemplars[bucket] = Exemplar(exemplar, value)


class Histogram(Collector):
    """What takes time, by labels."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._named = name, documentation, labels
        self._bounds = tuple(map(float, buckets))
        self._ends = [*map(str, self._bounds), "+Inf"]
        self._children: dict[tuple[str, ...], Observed] = {}
        registry.register(self)

    def labels(self, *values: str) -> Observed:
        """Return where to observe under these labels. Raises ValueError if they are not as many."""
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self._named[2]):
                raise ValueError(f"labels {values}, expected {self._named[2]}")
            child = self._children[values] = Observed(self._bounds)
        return child

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield its name and labels, and no sample."""
        name, documentation, labels = self._named
        yield HistogramMetricFamily(name, documentation, labels=labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield all that was observed."""
        [family] = self.describe()
        for values, child in list(self._children.items()):
            totals = accumulate(child.counts)
            buckets = [
                (end, total) if exemplar is None else (end, total, exemplar)
                for end, total, exemplar in zip(self._ends, totals, child.exemplars, strict=True)
            ]
            family.add_metric(values, buckets, child.sum)
        yield family
