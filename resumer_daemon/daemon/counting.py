"""What one committed plan counts for, whichever transaction has written it."""

import structlog

from resumer_daemon.engine.plan import Plan
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

STEPS = frozenset({"condition", "action", "execute", "parallel", "foreach", "wait"})


def count(plan: Plan, trigger: str, metrics: Metrics) -> None:
    """Count a move and what happened on the way; where effects go on, only the latter."""
    for step in plan.records:
        # what a definition calls a type may be anything, and labels are closed
        kind = step.step_type if step.step_type in STEPS else "unknown"
        metrics.step_duration.labels(kind).observe(step.seconds)
    stopped = plan.overlay or (plan.opens.incident if plan.opens else None)
    if stopped is not None:
        metrics.incidents.labels(stopped.cause).inc()
        log.error(
            "incident_opened",
            execution=plan.claimed.key,
            pause=_pause(plan),
            step=plan.opens.step_id if plan.opens else None,
            cause=stopped.cause,
            detail=stopped.detail,
        )
    if plan.status is None or (trigger == "effect" and plan.launch is not None):
        return
    moved_by = plan.settlement.moved_by if plan.settlement else None
    metrics.resumes.labels(trigger, plan.status).inc()
    log.debug(
        "execution_moved",
        execution=plan.claimed.key,
        trigger=trigger,
        request=moved_by.id if moved_by else None,
        status=plan.status,
        result=plan.result,
        pause=_pause(plan),
        step=plan.opens.step_id if plan.opens else None,
    )


def _pause(plan: Plan) -> int | None:
    """Return the number of the pause that is open now."""
    if plan.opens is not None:
        return plan.opens.number
    pause = plan.claimed.pause
    return pause.number if pause is not None and plan.closes is None else None
