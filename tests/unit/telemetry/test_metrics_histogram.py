"""The daemon's histogram exports exactly what the library's exports."""

from collections.abc import Callable

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from resumer_daemon.telemetry.metrics import LATENCY, Histogram

NAMED = ("taken_seconds", "How long it took.", ["stage"])
VALUES = st.floats(0, 1_000) | st.sampled_from([*LATENCY, 0.0])


def both(observe: Callable[[Histogram | prometheus_client.Histogram], None]) -> tuple[bytes, bytes]:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    observe(Histogram(*NAMED, registry=ours))
    observe(prometheus_client.Histogram(*NAMED, buckets=LATENCY, registry=theirs))
    assert generate_latest(ours) == generate_latest(theirs)
    return _exposed(ours), _exposed(theirs)


@given(st.lists(st.tuples(st.sampled_from(["claim", "record"]), VALUES)))
def test_histogram_counts_like_the_library(observations: list[tuple[str, float]]):
    def observe(histogram: Histogram | prometheus_client.Histogram) -> None:
        for stage, value in observations:
            histogram.labels(stage).observe(value)

    ours, theirs = both(observe)
    assert ours == theirs


def test_histogram_keeps_an_exemplar_per_bucket():
    def observe(histogram: Histogram | prometheus_client.Histogram) -> None:
        histogram.labels("claim").observe(0.004, {"trace_id": "ab"})
        histogram.labels("claim").observe(0.0045)

    ours, theirs = both(observe)
    [line] = [line for line in ours.splitlines() if b"trace_id" in line]
    assert line.endswith(b'} 2.0 # {trace_id="ab"} 0.004')
    assert any(theirs_line.startswith(line) for theirs_line in theirs.splitlines())


def test_histogram_refuses_a_wrong_number_of_labels():
    with pytest.raises(ValueError, match="labels"):
        Histogram(*NAMED, registry=CollectorRegistry()).labels("a", "b")


def _exposed(registry: CollectorRegistry) -> bytes:
    return bytes(openmetrics(registry))  # type: ignore[no-untyped-call]
