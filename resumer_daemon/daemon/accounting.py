"""What a committed turn counts for: latencies, outcomes, and a line in the log per move."""

from collections import Counter
from collections.abc import Iterable

import structlog

from resumer_daemon.daemon.turn import Turned
from resumer_daemon.engine.plan import Plan
from resumer_daemon.store.claim import Seen
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

REFUSED = "refused"  # what the guard calls a write that it left a request of


def account(turned: Turned, metrics: Metrics) -> None:
    """Count what a turn did."""
    _requests(turned.plans, metrics)
    for plan in turned.plans:
        _objections(plan, metrics)
        if plan.status is not None:
            _move(plan, turned, metrics)
        stopped = plan.overlay or (plan.opens.incident if plan.opens else None)
        if stopped is not None:
            metrics.incidents.labels(stopped.cause).inc()
            log.error(
                "incident_opened",
                execution=plan.claimed.key,
                cause=stopped.cause,
                detail=stopped.detail,
            )


def _requests(plans: Iterable[Plan], metrics: Metrics) -> None:
    settled = Counter(
        (request.kind, request.decision == REFUSED, plan.outcomes[request.id])
        for plan in plans
        for request in plan.claimed.requests
        if request.id in plan.outcomes
    )
    for (kind, refused, outcome), count in settled.items():
        metrics.requests.labels(kind, outcome).inc(count)
        if refused and kind == "adopt":
            metrics.refused_writes.inc(count)
        if outcome == "late":
            metrics.late_decisions.inc(count)
        elif outcome == "unrecognised":
            metrics.unrecognised_decisions.inc(count)


def _objections(plan: Plan, metrics: Metrics) -> None:
    """Count each once: what is held is looked at again and again."""
    for request in plan.claimed.requests:
        objection = plan.objections.get(request.id)
        if objection is not None and objection != request.reason:
            metrics.objections.labels(objection).inc()
            log.warning("decision_held", execution=plan.claimed.key, reason=objection)


def _move(plan: Plan, turned: Turned, metrics: Metrics) -> None:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    trigger = moved_by.kind if moved_by else "adopt" if plan.adopts else "approval"
    status = plan.status or "paused"
    metrics.resumes.labels(trigger, status).inc()
    seen = turned.seen.get(moved_by.id) if moved_by else None
    if seen is not None:
        waited = _waited(seen)
        metrics.claim_latency.labels(trigger).observe(waited)
        metrics.resume_latency.labels(trigger).observe(waited + turned.seconds)
    log.debug(
        "execution_moved",
        execution=plan.claimed.key,
        trigger=trigger,
        status=status,
        result=plan.result,
        pause=plan.opens.number if plan.opens else None,
    )


def _waited(seen: Seen) -> float:
    """Seconds until the request was seen, by the database's clock alone."""
    return max(0.0, (seen.seen_at - seen.requested_at).total_seconds())
