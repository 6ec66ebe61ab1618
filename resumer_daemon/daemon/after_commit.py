"""Follow up the commit of a batch: record metrics, logs and traces, and send its effects."""

from collections.abc import Callable
from typing import TypeAlias

from msgspec.structs import replace

from resumer_daemon.daemon.batch import BatchResult
from resumer_daemon.daemon.effect_runner import EffectRunner
from resumer_daemon.daemon.instrumentation import Arrival, Tracing, record_batch
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.telemetry.metrics import Metrics

FollowUp: TypeAlias = Callable[[BatchResult, Arrival], None]
"""Follows up a committed batch: see `AfterCommit.follow_up`."""


class AfterCommit:
    """Follows up the batches of all workers of this daemon."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing | None,
        suspects: Suspects,
        effects: EffectRunner,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._suspects = suspects
        self._effects = effects

    def follow_up(self, result: BatchResult, arrival: Arrival) -> None:
        """Record a committed batch, and run the executions that it leased."""
        self._metrics.executions_quarantined.inc(len(result.quarantined))
        traces = record_batch(result, arrival, self._metrics, self._tracing)
        self._suspects.add_moved(sum(plan.status is not None for plan in result.plans))
        for plan in result.plans:
            if plan.claimed.status == "running":
                self._effects.wake_branches(plan.claimed.id)
        for leased in result.leased:
            self._effects.take(replace(leased, trace=traces.get(leased.execution)))
