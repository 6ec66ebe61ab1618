"""What a committed turn counts for: latencies and their stages, outcomes, objections, a trace."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from resumer_daemon.daemon.counting import count
from resumer_daemon.daemon.tracing import Tracing
from resumer_daemon.daemon.turn import Turned
from resumer_daemon.engine.inputs import REFUSED
from resumer_daemon.engine.plan import Plan
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.telemetry.trace import Trace

log = structlog.get_logger()

SUSPECT = timedelta(minutes=1)


def account(
    turned: Turned, heard: float, metrics: Metrics, tracing: Tracing | None
) -> Mapping[UUID, Trace]:
    """Count what a turn did; return the trace of each execution that has one.

    `heard` is when we knew that there was something to look for, on `perf_counter`.
    """
    traces = {} if tracing is None else tracing.turned(turned)
    _requests(turned.plans, metrics)
    plans = [(plan, _trigger(plan)) for plan in turned.plans]
    count(plans, metrics)
    moved = [(plan, trigger) for plan, trigger in plans if plan.status is not None]
    for plan in turned.plans:
        if plan.objections:
            _objections(plan, metrics)
    for plan, trigger in moved:
        _clocks(plan, turned, metrics)
        _latency(plan, trigger, turned, heard, metrics, traces)
    if moved:
        times = turned.times
        metrics.stages.labels("advance").observe(times.advanced - times.seen)
        metrics.stages.labels("record").observe(times.committed - times.advanced)
    return traces


def _trigger(plan: Plan) -> str:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    return moved_by.kind if moved_by else "adopt" if plan.adopts else "approval"


def _requests(plans: Iterable[Plan], metrics: Metrics) -> None:
    settled = Counter(
        (request.kind, request.decision == REFUSED, plan.outcomes[request.id])
        for plan in plans
        for request in plan.claimed.requests
        if request.id in plan.outcomes
    )
    for (kind, refused, outcome), number in settled.items():
        metrics.requests.labels(kind, outcome).inc(number)
        if refused and kind == "adopt" and outcome != "held":
            metrics.refused_writes.inc(number)
        if outcome == "late":
            metrics.late_decisions.inc(number)
        elif outcome == "unrecognised":
            metrics.unrecognised_decisions.inc(number)


def _objections(plan: Plan, metrics: Metrics) -> None:
    """Count each once: what is held is looked at again and again."""
    for request in plan.claimed.requests:
        objection = plan.objections.get(request.id)
        if objection is not None and objection != request.reason:
            metrics.objections.labels(objection).inc()
            log.warning(
                "decision_held", execution=plan.claimed.key, request=request.id, reason=objection
            )


def _clocks(plan: Plan, turned: Turned, metrics: Metrics) -> None:
    """Compare what writers say of the time with when their statements ran; nothing rests on it."""
    said = {approval.id: approval.decided_at for approval in plan.claimed.approvals}
    for request in plan.claimed.requests:
        decided_at = said.get(request.source_id) if request.source_id else None
        if decided_at is None or plan.outcomes.get(request.id) != "applied":
            continue
        off = datetime.fromisoformat(decided_at) - turned.seen[request.id].wanted_at
        if abs(off) > SUSPECT:
            metrics.suspect_clocks.inc()


def _latency(
    plan: Plan,
    trigger: str,
    turned: Turned,
    heard: float,
    metrics: Metrics,
    traces: Mapping[UUID, Trace],
) -> None:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    seen = turned.seen.get(moved_by.id) if moved_by else None
    if seen is None:
        return
    times, trace = turned.times, traces.get(plan.claimed.id)
    exemplar = None if trace is None else trace.exemplar
    # by the database's clock alone, and what passed here by ours
    waited = max(0.0, (seen.seen_at - seen.wanted_at).total_seconds())
    known = min(waited, max(0.0, times.seen - heard))
    metrics.stages.labels("commit").observe(waited - known)
    metrics.stages.labels("claim").observe(known)
    metrics.claim_latency.labels(trigger).observe(waited, exemplar)
    metrics.resume_latency.labels(trigger).observe(waited + times.committed - times.seen, exemplar)
