"""What committed plans count for, whichever transaction has written them."""

import logging
from collections import Counter
from collections.abc import Sequence

import structlog

from resumer_daemon.engine.plan import Plan
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

STEPS = frozenset({"condition", "action", "execute", "parallel", "foreach", "wait"})


def count(plans: Sequence[tuple[Plan, str]], metrics: Metrics) -> None:
    """Count moves, each with its trigger, and what happened on their way.

    An execution whose effects go on is not counted again: it is `running` as it was.
    """
    moves = Counter(
        (trigger, plan.status)
        for plan, trigger in plans
        if plan.status is not None and (trigger != "effect" or plan.launch is None)
    )
    for move, number in moves.items():
        metrics.resumes.labels(*move).inc(number)
    tells = log.is_enabled_for(logging.DEBUG)
    for plan, trigger in plans:
        for step in plan.records:
            # what a definition calls a type may be anything, and labels are closed
            kind = step.step_type if step.step_type in STEPS else "unknown"
            metrics.step_duration.labels(kind).observe(step.seconds)
        if plan.overlay is not None or plan.opens is not None:
            _incident(plan, metrics)
        if tells and (trigger, plan.status) in moves:
            _tell(plan, trigger)


def _incident(plan: Plan, metrics: Metrics) -> None:
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


def _tell(plan: Plan, trigger: str) -> None:
    moved_by = plan.settlement.moved_by if plan.settlement else None
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
