"""Metrics, logs and spans of committed batches and of effects."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from resumer_daemon import __version__
from resumer_daemon.daemon.batch import BatchResult, BatchTimes
from resumer_daemon.engine.inputs import GUARD_REJECTED
from resumer_daemon.engine.outcome import Effect
from resumer_daemon.engine.plan import Plan
from resumer_daemon.errors import SettingsError
from resumer_daemon.store.claim import RequestTimes
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.telemetry.traces import Trace
from resumer_daemon.workflow.values import Json


class Sending:
    """One attempt while it is under way: what to send on, and what came of it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.error: str | None = None


class Tracing:
    """Tells of moves and attempts. Where no traces are wanted there is none of it."""

    def __init__(self, endpoint: str, instance: UUID) -> None:
        """Set up the exporter.

        Raises:
            SettingsError: The extra `otel` is not installed.
        """
        try:
            from resumer_daemon.telemetry import traces
        except ImportError as error:
            raise SettingsError(
                "settings are wrong:\n  RESUMER_OTLP_ENDPOINT: needs the extra `otel`"
                " (pip install 'resumer-daemon[otel]')"
            ) from error
        self._module = traces
        self._traces = traces.Traces(endpoint, __version__, str(instance))

    def close(self) -> None:
        """Send what is left."""
        self._traces.close()

    def turned(self, turned: BatchResult) -> Mapping[UUID, Trace]:
        """Tell of a committed turn; return what later effects of its executions go on with."""
        return {
            plan.claimed.id: self._moved(plan, seen, turned.times)
            for plan in turned.plans
            if plan.status is not None and plan.settlement and plan.settlement.moved_by
            if (seen := turned.seen.get(plan.settlement.moved_by.id)) is not None
        }

    def _moved(self, plan: Plan, seen: RequestTimes, times: BatchTimes) -> Trace:
        asked, locked = seen.wanted_at.timestamp(), seen.seen_at.timestamp()
        advanced = locked + times.advanced - times.seen
        committed = locked + times.committed - times.seen
        request = plan.settlement.moved_by if plan.settlement else None
        about = {
            "execution": plan.claimed.key,
            "trigger": request.kind if request else None,
            "request": request.id if request else None,
            "pause": plan.claimed.pause.number if plan.claimed.pause else None,
            "status": plan.status,
            "result": plan.result,
        }
        parent = self._module.follow(traceparent(plan))
        tell = self._traces.told
        move = tell("resume", asked, committed, parent, about)
        tell("claim", asked, locked, move, {})
        advance = tell("advance", locked, advanced, move, {})
        for step in plan.records:
            began = step.began.timestamp() if step.began else locked
            named = {"step": step.step_id, "status": step.status}
            tell(f"step {step.step_type}", began, began + step.seconds, advance, named)
        tell("record", advanced, committed, move, {})
        return move

    @contextmanager
    def sending(self, at: Trace, execution: UUID, effect: Effect) -> Iterator[Sending]:
        """Tell of one attempt of an effect, and of what came of it."""
        about: dict[str, str | int | None] = {
            "execution_id": str(execution),
            "step": effect.path,
            "key": effect.key,
            "attempt": effect.attempt,
        }
        span, here = self._traces.sending(effect.kind, at, about)
        attempt = Sending(here.headers)
        try:
            yield attempt
        finally:
            self._module.sent(span, attempt.error)


def traceparent(plan: Plan) -> str | None:
    """Return the trace that the deciding approval, its request or the start's payload names."""
    request = plan.settlement.moved_by if plan.settlement else None
    if request is None:
        return None
    for approval in plan.claimed.approvals:
        if approval.id == request.source_id and approval.traceparent is not None:
            return approval.traceparent
    return _named(request.payload) or (
        _named(plan.claimed.payload) if request.kind == "start" else None
    )


def _named(payload: Json) -> str | None:
    found = payload.get("traceparent") if isinstance(payload, dict) else None
    return found if isinstance(found, str) else None


log = structlog.get_logger()

STEPS = frozenset({"condition", "action", "execute", "parallel", "foreach", "wait"})


def count(plans: Sequence[tuple[Plan, str]], metrics: Metrics) -> None:
    """Count moves, each with its trigger, and what happened on their way.

    An execution whose effects go on is not counted again: it is `running` as it was.
    """
    moves = Counter(
        (trigger, plan.status)
        for plan, trigger in plans
        if plan.status is not None and (trigger != "effect" or plan.pending_effects is None)
    )
    for move, number in moves.items():
        metrics.resumes.labels(*move).inc(number)
    tells = log.is_enabled_for(logging.DEBUG)
    for plan, trigger in plans:
        for step in plan.records:
            # what a definition calls a type may be anything, and labels are closed
            kind = step.step_type if step.step_type in STEPS else "unknown"
            metrics.step_duration.labels(kind).observe(step.seconds)
        if plan.incident is not None or plan.opens is not None:
            _incident(plan, metrics)
        if tells and (trigger, plan.status) in moves:
            _tell(plan, trigger)


def _incident(plan: Plan, metrics: Metrics) -> None:
    stopped = plan.incident or (plan.opens.incident if plan.opens else None)
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
    return pause.number if pause is not None and plan.closed_by is None else None


SUSPECT = timedelta(minutes=1)


def account(
    turned: BatchResult, heard: float, metrics: Metrics, tracing: Tracing | None
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
        if plan.guard_violations:
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
        (request.kind, request.decision == GUARD_REJECTED, plan.outcomes[request.id])
        for plan in plans
        for request in plan.claimed.requests
        if request.id in plan.outcomes
    )
    for (kind, refused, outcome), number in settled.items():
        metrics.requests.labels(kind, outcome).inc(number)
        if refused and kind == "adopt" and outcome != "held":
            metrics.rejected_writes.inc(number)
        if outcome == "late":
            metrics.late_decisions.inc(number)
        elif outcome == "unrecognised":
            metrics.unrecognised_decisions.inc(number)


def _objections(plan: Plan, metrics: Metrics) -> None:
    """Count each once: what is held is looked at again and again."""
    for request in plan.claimed.requests:
        objection = plan.guard_violations.get(request.id)
        if objection is not None and objection != request.reason:
            metrics.decision_guard_holds.labels(objection).inc()
            log.warning(
                "decision_held", execution=plan.claimed.key, request=request.id, reason=objection
            )


def _clocks(plan: Plan, turned: BatchResult, metrics: Metrics) -> None:
    """Compare what writers say of the time with when their statements ran; nothing rests on it."""
    said = {approval.id: approval.decided_at for approval in plan.claimed.approvals}
    for request in plan.claimed.requests:
        decided_at = said.get(request.source_id) if request.source_id else None
        if decided_at is None or plan.outcomes.get(request.id) != "applied":
            continue
        off = datetime.fromisoformat(decided_at) - turned.seen[request.id].wanted_at
        if abs(off) > SUSPECT:
            metrics.decision_clock_skew.inc()


def _latency(
    plan: Plan,
    trigger: str,
    turned: BatchResult,
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
