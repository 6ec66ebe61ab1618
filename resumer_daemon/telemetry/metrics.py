"""All metrics, and a histogram for the hot path. Label sets are closed: no ids, no workflow names.

An observation is a bisection and two additions. The library's histogram takes locks for threads
that we do not have: ours is observed in the event loop alone, and a scrape in another thread may
be one observation behind.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

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


disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip


class Metrics:
    """The daemon's metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.resume_latency = Histogram(
            "resumer_resume_latency_seconds",
            "From the deciding statement's start to the commit of the next durable state.",
            ["trigger"],
            buckets=LATENCY,
            registry=registry,
        )
        self.claim_latency = Histogram(
            "resumer_claim_latency_seconds",
            "From the deciding statement's start until a daemon first saw its request.",
            ["trigger"],
            buckets=LATENCY,
            registry=registry,
        )
        self.stages = Histogram(
            "resumer_stage_seconds",
            "Where the time goes: `commit`, from the deciding statement until we heard of it (a"
            " writer's open transaction is in it); `claim`, until its execution was locked and"
            " read; `advance` and `record`, of a turn; `effects`, from an intent to its answer;"
            " `answer`, from there to the commit of what follows.",
            ["stage"],
            buckets=LATENCY,
            registry=registry,
        )
        self.step_duration = Histogram(
            "resumer_step_duration_seconds",
            "How long steps took, with the answers and the pauses before retries they waited for.",
            ["type"],
            buckets=LATENCY,
            registry=registry,
        )
        self.resumes = Counter(
            "resumer_resumes_total",
            "Executions that moved, by what moved them and what became of them.",
            ["trigger", "outcome"],
            registry=registry,
        )
        self.requests = Counter(
            "resumer_requests_settled_total",
            "Requests settled, by kind and outcome.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.late_decisions = Counter(
            "resumer_late_decisions_total",
            "Decisions that changed after they had been consumed.",
            registry=registry,
        )
        self.unrecognised_decisions = Counter(
            "resumer_unrecognised_decisions_total",
            "Statuses that are no decision at all.",
            registry=registry,
        )
        self.objections = Counter(
            "resumer_objections_total",
            "Approvals that are held because of who gave them, or when.",
            ["reason"],
            registry=registry,
        )
        self.suspect_clocks = Counter(
            "resumer_suspect_clocks_total",
            "Decisions whose `decided_at` is more than a minute from when they were written.",
            registry=registry,
        )
        self.refused_writes = Counter(
            "resumer_refused_writes_total",
            "Writes of other programs over a pause or an end of ours, which the guard refused.",
            registry=registry,
        )
        self.incidents = Counter(
            "resumer_incidents_total", "Incidents opened.", ["cause"], registry=registry
        )
        self.wakeups = Counter(
            "resumer_wakeups_total",
            "Looks that found work, by what woke them; `poll` means a lost notification.",
            ["source"],
            registry=registry,
        )
        for source in ("notify", "awake", "poll", "timer", "reconcile"):
            self.wakeups.labels(source)  # a first increase is seen only from a 0
        self.quarantined = Counter(
            "resumer_quarantined_total",
            "Executions that failed their batch and were stopped alone.",
            registry=registry,
        )
        self.left_alone = Gauge(
            "resumer_executions_left_alone",
            "Executions that wait for a daemon of a newer version, which wrote their state.",
            registry=registry,
        )
        self.turns_failed = Counter(
            "resumer_turns_failed_total",
            "Turns that failed and were repeated with fewer executions.",
            registry=registry,
        )
        self.set_apart = Counter(
            "resumer_set_apart_total",
            "Executions that became incidents because no turn with them can finish, by cause.",
            ["cause"],
            registry=registry,
        )
        self.effects = Counter(
            "resumer_effects_total",
            "Attempts of effects, by what came of them.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.effect_duration = Histogram(
            "resumer_effect_duration_seconds",
            "How long an attempt of an effect took.",
            ["kind"],
            buckets=LATENCY,
            registry=registry,
        )
        self.messages = Counter(
            "resumer_messages_total",
            "Attempts to deliver notifications of the outbox, by what came of them.",
            ["outcome"],
            registry=registry,
        )
        self.leases_rescued = Counter(
            "resumer_leases_rescued_total",
            "Leases taken over because they were past.",
            registry=registry,
        )
        self.dead_daemons = Counter(
            "resumer_dead_daemons_total",
            "Daemons that held leases, were silent, and were called dead.",
            registry=registry,
        )
        self.fenced_writes = Counter(
            "resumer_fenced_writes_total",
            "Writes that were not made because the lease was lost.",
            registry=registry,
        )
        self.listener_up = Gauge(
            "resumer_listener_up", "1 while notifications are proved to arrive.", registry=registry
        )
        self.listen_mode = Gauge(
            "resumer_listen_mode", "1 for the mode in use.", ["mode"], registry=registry
        )
        self.listener_reconnects = Counter(
            "resumer_listener_reconnects_total",
            "Times the listener had to connect anew.",
            registry=registry,
        )
        self.database_errors = Counter(
            "resumer_database_errors_total",
            "Turns that a database error ended; they are repeated.",
            ["sqlstate_class"],
            registry=registry,
        )
        self.reconciled = Counter(
            "resumer_reconciled_total",
            "What the background had to mend, because no trigger saw it.",
            ["what"],
            registry=registry,
        )
        self.erased = Counter(
            "resumer_erased_total",
            "Rows that were kept no longer: deleted, or emptied.",
            ["table"],
            registry=registry,
        )
        self.background_runs = Counter(
            "resumer_background_runs_total",
            "Transactions of the background that were committed, by task.",
            ["task"],
            registry=registry,
        )
        self.background_seconds = Counter(
            "resumer_background_seconds_total",
            "How long they took, by task.",
            ["task"],
            registry=registry,
        )
        self.background_failures = Counter(
            "resumer_background_failures_total",
            "Times that a task of the background failed; it comes again, and no other task waits.",
            ["task"],
            registry=registry,
        )
        self.triggers_missing = Gauge(
            "resumer_triggers_missing",
            "Triggers that are gone or disabled; decisions are then found by the reconciler.",
            registry=registry,
        )
        self.http_requests = Counter(
            "resumer_http_requests_total",
            "Requests over HTTP, by template of the route; `other` has none, or was refused first.",
            ["route", "method", "status"],
            registry=registry,
        )
        Info("resumer_build", "The running version.", registry=registry).info(_version())
        ProcessCollector(registry=registry)

    def listening(self, mode: str) -> None:
        """Note how requests are heard of: `notify` or `poll`."""
        self.listener_up.set(mode == "notify")
        for known in ("notify", "poll"):
            self.listen_mode.labels(known).set(known == mode)


def _version() -> dict[str, str]:
    from importlib.metadata import version

    return {"version": version("resumer-daemon")}
