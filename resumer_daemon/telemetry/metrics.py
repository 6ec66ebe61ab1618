"""All metrics as a table, and a histogram for the hot path.

Label sets are closed: no label holds an id or the name of a workflow.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Annotated, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import Exemplar, HistogramMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
"""Upper bounds of the buckets of every histogram, in seconds."""


class HistogramSeries:
    """The observations under one set of labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        """Count a value, in seconds. Its bucket keeps the exemplar until it gets another."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if exemplar is not None:
            self.exemplars[bucket] = Exemplar(exemplar, value)


class Histogram(Collector):
    """A histogram without locks: an observation is a bisection and two additions.

    Only the event loop observes. A scrape runs in another thread and may miss the newest
    observation. The library's histogram locks for threads that the daemon does not have.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str],
        *,
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, labelnames
        self._bounds = tuple(map(float, LATENCY))
        self._ends = [*map(str, self._bounds), "+Inf"]
        self._series: dict[tuple[str, ...], HistogramSeries] = {}
        registry.register(self)

    def labels(self, *values: str) -> HistogramSeries:
        """Return the series of these labels. Raise ValueError if their number is wrong."""
        series = self._series.get(values)
        if series is None:
            if len(values) != len(self._labelnames):
                raise ValueError(f"labels {values}, expected {self._labelnames}")
            series = self._series[values] = HistogramSeries(self._bounds)
        return series

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield the name and the labels, without samples."""
        yield HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield all observations."""
        [family] = self.describe()
        for values, series in list(self._series.items()):
            totals = accumulate(series.counts)
            buckets = [
                (end, total) if exemplar is None else (end, total, exemplar)
                for end, total, exemplar in zip(self._ends, totals, series.exemplars, strict=True)
            ]
            family.add_metric(values, buckets, series.sum)
        yield family


class Metrics:
    """The daemon's metrics. Each annotation holds a type, a name, a meaning and labels."""

    resume_latency: Annotated[
        Histogram,
        "resumer_resume_latency_seconds",
        "Seconds from the start of the deciding statement to the commit of the next durable state."
        " Time before a scan that found nothing due does not count: nobody had committed it.",
        "trigger",
    ]
    claim_latency: Annotated[
        Histogram,
        "resumer_claim_latency_seconds",
        "Seconds from the start of the deciding statement until a daemon first read its request.",
        "trigger",
    ]
    stages: Annotated[
        Histogram,
        "resumer_stage_seconds",
        "Seconds of each stage. `commit`: from the deciding statement until the daemon noticed"
        " it, which includes the rest of the writer's transaction. `claim`: until the execution"
        " was locked and read. `advance` and `record`: of a batch. `effects`: from an intent to"
        " its result. `follow_up`: from the result to the commit of what follows.",
        "stage",
    ]
    step_duration: Annotated[
        Histogram,
        "resumer_step_duration_seconds",
        "Seconds that a step took, including its webhooks and the delays before retries.",
        "type",
    ]
    resumes: Annotated[
        Counter,
        "resumer_resumes_total",
        "Executions that moved, by the trigger and the outcome.",
        "trigger",
        "outcome",
    ]
    requests: Annotated[
        Counter,
        "resumer_requests_settled_total",
        "Requests settled, by kind and outcome.",
        "kind",
        "outcome",
    ]
    late_decisions: Annotated[
        Counter,
        "resumer_late_decisions_total",
        "Decisions that changed after the daemon had used them.",
    ]
    unrecognised_decisions: Annotated[
        Counter,
        "resumer_unrecognised_decisions_total",
        "Approval statuses that the daemon does not know.",
    ]
    decision_guard_holds: Annotated[
        Counter,
        "resumer_decision_guard_holds_total",
        "Approvals held by the decision guard, by the reason.",
        "reason",
    ]
    decision_clock_skew: Annotated[
        Counter,
        "resumer_decision_clock_skew_total",
        "Decisions whose `decided_at` differs by more than a minute from the time of writing.",
    ]
    rejected_writes: Annotated[
        Counter,
        "resumer_rejected_writes_total",
        "Writes by other programs to paused or finished executions, rejected by the guard.",
    ]
    incidents: Annotated[
        Counter,
        "resumer_incidents_total",
        "Incidents opened.",
        "cause",
    ]
    wakeups: Annotated[
        Counter,
        "resumer_wakeups_total",
        "Polls that found work, by the source of the wakeup. `poll` means a lost notification.",
        "source",
    ]
    executions_quarantined: Annotated[
        Counter,
        "resumer_executions_quarantined_total",
        "Executions that could not be written and became incidents.",
    ]
    incompatible_executions: Annotated[
        Gauge,
        "resumer_incompatible_executions",
        "Executions whose state a newer version wrote. They wait for a daemon of that version.",
    ]
    batches_failed: Annotated[
        Counter,
        "resumer_batches_failed_total",
        "Batches that failed and were repeated with fewer executions.",
    ]
    executions_isolated: Annotated[
        Counter,
        "resumer_executions_isolated_total",
        "Executions that became incidents because every batch with them failed.",
        "cause",
    ]
    effects: Annotated[
        Counter,
        "resumer_effects_total",
        "Attempts of effects, by kind and outcome.",
        "kind",
        "outcome",
    ]
    effect_duration: Annotated[
        Histogram,
        "resumer_effect_duration_seconds",
        "Seconds that an attempt of an effect took.",
        "kind",
    ]
    messages: Annotated[
        Counter,
        "resumer_messages_total",
        "Attempts to deliver notifications from the outbox, by the outcome.",
        "outcome",
    ]
    leases_rescued: Annotated[
        Counter,
        "resumer_leases_rescued_total",
        "Expired leases that a daemon took over.",
    ]
    instances_declared_dead: Annotated[
        Counter,
        "resumer_instances_declared_dead_total",
        "Daemons that held leases, stopped sending heartbeats and were declared dead.",
    ]
    fenced_writes: Annotated[
        Counter,
        "resumer_fenced_writes_total",
        "Writes that the daemon did not make because it had lost the lease.",
    ]
    listener_up: Annotated[
        Gauge,
        "resumer_listener_up",
        "1 while notifications are verified to arrive.",
    ]
    listen_mode: Annotated[
        Gauge,
        "resumer_listen_mode",
        "1 for the mode in use, `notify` or `poll`.",
        "mode",
    ]
    listener_reconnects: Annotated[
        Counter,
        "resumer_listener_reconnects_total",
        "Reconnections of the listener.",
    ]
    database_errors: Annotated[
        Counter,
        "resumer_database_errors_total",
        "Batches that a database error ended. The daemon repeats them.",
        "sqlstate_class",
    ]
    reconciled: Annotated[
        Counter,
        "resumer_reconciled_total",
        "Corrections by the reconciler of what no trigger had recorded.",
        "kind",
    ]
    erased: Annotated[
        Counter,
        "resumer_erased_total",
        "Rows deleted or emptied after `RESUMER_LEDGER_RETENTION`.",
        "table",
    ]
    background_runs: Annotated[
        Counter,
        "resumer_background_runs_total",
        "Committed transactions of background tasks.",
        "task",
    ]
    background_seconds: Annotated[
        Counter,
        "resumer_background_seconds_total",
        "Seconds that the transactions of background tasks took.",
        "task",
    ]
    background_failures: Annotated[
        Counter,
        "resumer_background_failures_total",
        "Failures of background tasks. A failed task is repeated and delays no other.",
        "task",
    ]
    triggers_missing: Annotated[
        Gauge,
        "resumer_triggers_missing",
        "Triggers that are missing or disabled. The reconciler then finds the decisions.",
    ]
    http_requests: Annotated[
        Counter,
        "resumer_http_requests_total",
        "HTTP requests by the template of the route. `other` has no route or was refused before"
        " it.",
        "route",
        "method",
        "status",
    ]

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        for attribute, annotation in Metrics.__annotations__.items():
            kind, name, meaning, *labels = get_args(annotation)
            setattr(self, attribute, kind(name, meaning, labels, registry=registry))
        for source in ("notify", "active", "poll", "timer", "reconcile"):
            self.wakeups.labels(source)  # Prometheus sees a first increase only from a 0
        Info("resumer_build", "Version of the daemon.", registry=registry).info(_version())
        ProcessCollector(registry=registry)

    def set_listen_mode(self, mode: str) -> None:
        """Record how the daemon learns of requests: `notify` or `poll`."""
        self.listener_up.set(mode == "notify")
        for known in ("notify", "poll"):
            self.listen_mode.labels(known).set(known == mode)


def _version() -> dict[str, str]:
    from importlib.metadata import version

    return {"version": version("resumer-daemon")}
