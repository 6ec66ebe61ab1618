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
from resumer_daemon.frozen import Frozen
from resumer_daemon.store.claim import RequestTimes
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.telemetry.trace_context import TraceContext
from resumer_daemon.workflow.values import Json

log = structlog.get_logger()

STEPS = frozenset({"condition", "action", "execute", "parallel", "foreach", "wait"})

CLOCK_SKEW = timedelta(minutes=1)
"""A `decided_at` that is further from the time of its statement is counted."""


class AttemptSpan:
    """The span of one attempt: headers to send with it, and the error that ended it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.error: str | None = None


class Tracing:
    """Traces moves and attempts. It exists only where RESUMER_OTLP_ENDPOINT is set."""

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
        """Send the remaining spans."""
        self._traces.close()

    def trace_batch(self, result: BatchResult) -> Mapping[UUID, TraceContext]:
        """Trace the moves of a committed batch. Return the parents of spans of later effects."""
        return {
            plan.claimed.id: self._trace_move(plan, request, result.times)
            for plan in result.plans
            if plan.status is not None and plan.settlement and plan.settlement.moved_by
            if (request := result.requests.get(plan.settlement.moved_by.id)) is not None
        }

    def _trace_move(self, plan: Plan, requested: RequestTimes, times: BatchTimes) -> TraceContext:
        asked, locked = requested.wanted_at.timestamp(), requested.seen_at.timestamp()
        planned = locked + times.planned - times.read
        committed = locked + times.committed - times.read
        request = plan.settlement.moved_by if plan.settlement else None
        attributes = {
            "execution": plan.claimed.key,
            "trigger": request.kind if request else None,
            "request": request.id if request else None,
            "pause": plan.claimed.pause.number if plan.claimed.pause else None,
            "status": plan.status,
            "result": plan.result,
        }
        parent = self._module.follow(traceparent(plan))
        record_span = self._traces.record_span
        move = record_span("resume", asked, committed, parent, attributes)
        record_span("claim", asked, locked, move, {})
        advance = record_span("advance", locked, planned, move, {})
        for step in plan.records:
            began = step.began.timestamp() if step.began else locked
            named = {"step": step.step_id, "status": step.status}
            record_span(f"step {step.step_type}", began, began + step.seconds, advance, named)
        record_span("record", planned, committed, move, {})
        return move

    @contextmanager
    def trace_attempt(
        self, at: TraceContext, execution: UUID, effect: Effect
    ) -> Iterator[AttemptSpan]:
        """Trace one attempt of an effect, and the error that ended it."""
        attributes: dict[str, str | int | None] = {
            "execution_id": str(execution),
            "step": effect.path,
            "key": effect.key,
            "attempt": effect.attempt,
        }
        span, here = self._traces.begin_span(effect.kind, at, attributes)
        attempt = AttemptSpan(here.headers)
        try:
            yield attempt
        finally:
            self._module.end_span(span, attempt.error)


def traceparent(plan: Plan) -> str | None:
    """Return the trace that the deciding approval, its request or the start's payload names."""
    request = plan.settlement.moved_by if plan.settlement else None
    if request is None:
        return None
    for approval in plan.claimed.approvals:
        if approval.id == request.source_id and approval.traceparent is not None:
            return approval.traceparent
    return _traceparent_in(request.payload) or (
        _traceparent_in(plan.claimed.payload) if request.kind == "start" else None
    )


def _traceparent_in(payload: Json) -> str | None:
    found = payload.get("traceparent") if isinstance(payload, dict) else None
    return found if isinstance(found, str) else None


def record_moves(plans: Sequence[tuple[Plan, str]], metrics: Metrics) -> None:
    """Record committed plans, each with its trigger: moves, durations of steps, incidents.

    An execution whose effects go on is not counted again: it is `running` as it was.
    """
    moves = Counter(
        (trigger, plan.status)
        for plan, trigger in plans
        if plan.status is not None and (trigger != "effect" or plan.pending_effects is None)
    )
    for move, number in moves.items():
        metrics.resumes.labels(*move).inc(number)
    debug = log.is_enabled_for(logging.DEBUG)
    for plan, trigger in plans:
        for step in plan.records:
            # what a definition calls a type may be anything, and labels are closed
            kind = step.step_type if step.step_type in STEPS else "unknown"
            metrics.step_duration.labels(kind).observe(step.seconds)
        if plan.incident is not None or plan.opens is not None:
            _record_incident(plan, metrics)
        if debug and (trigger, plan.status) in moves:
            _log_move(plan, trigger)


def _record_incident(plan: Plan, metrics: Metrics) -> None:
    incident = plan.incident or (plan.opens.incident if plan.opens else None)
    if incident is not None:
        metrics.incidents.labels(incident.cause).inc()
        log.error(
            "incident_opened",
            execution=plan.claimed.key,
            pause=_pause_number(plan),
            step=plan.opens.step_id if plan.opens else None,
            cause=incident.cause,
            detail=incident.detail,
        )


def _log_move(plan: Plan, trigger: str) -> None:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    log.debug(
        "execution_moved",
        execution=plan.claimed.key,
        trigger=trigger,
        request=moved_by.id if moved_by else None,
        status=plan.status,
        result=plan.result,
        pause=_pause_number(plan),
        step=plan.opens.step_id if plan.opens else None,
    )


def _pause_number(plan: Plan) -> int | None:
    """Return the number of the pause that is open now."""
    if plan.opens is not None:
        return plan.opens.number
    pause = plan.claimed.pause
    return pause.number if pause is not None and plan.closed_by is None else None


class Arrival(Frozen):
    """When the work of a batch arrived, on `perf_counter`.

    `known_since` is when this daemon learned of it. At `absent_at` a full scan had found nothing
    due, so the work was committed later. None: no scan tells.
    """

    known_since: float
    absent_at: float | None = None


def record_batch(
    result: BatchResult, arrival: Arrival, metrics: Metrics, tracing: Tracing | None
) -> Mapping[UUID, TraceContext]:
    """Record a committed batch. Return the trace of each execution that has one."""
    traces = {} if tracing is None else tracing.trace_batch(result)
    _record_requests(result.plans, metrics)
    plans = [(plan, _trigger(plan)) for plan in result.plans]
    record_moves(plans, metrics)
    moved = [(plan, trigger) for plan, trigger in plans if plan.status is not None]
    for plan in result.plans:
        if plan.guard_violations:
            _record_violations(plan, metrics)
    for plan, trigger in moved:
        _record_clock_skew(plan, result, metrics)
        _record_latency(plan, trigger, result, arrival, metrics, traces)
    if moved:
        times = result.times
        metrics.stages.labels("advance").observe(times.planned - times.read)
        metrics.stages.labels("record").observe(times.committed - times.planned)
    return traces


def _trigger(plan: Plan) -> str:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    return moved_by.kind if moved_by else "adopt" if plan.adopts else "approval"


def _record_requests(plans: Iterable[Plan], metrics: Metrics) -> None:
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


def _record_violations(plan: Plan, metrics: Metrics) -> None:
    """Record each violation once, because a held decision is read again with every batch."""
    for request in plan.claimed.requests:
        violation = plan.guard_violations.get(request.id)
        if violation is not None and violation != request.reason:
            metrics.decision_guard_holds.labels(violation).inc()
            log.warning(
                "decision_held", execution=plan.claimed.key, request=request.id, reason=violation
            )


def _record_clock_skew(plan: Plan, result: BatchResult, metrics: Metrics) -> None:
    """Compare `decided_at` with the time of its statement. Nothing is decided by `decided_at`."""
    decided = {approval.id: approval.decided_at for approval in plan.claimed.approvals}
    for request in plan.claimed.requests:
        decided_at = decided.get(request.source_id) if request.source_id else None
        if decided_at is None or plan.outcomes.get(request.id) != "applied":
            continue
        off = datetime.fromisoformat(decided_at) - result.requests[request.id].wanted_at
        if abs(off) > CLOCK_SKEW:
            metrics.decision_clock_skew.inc()


def _record_latency(
    plan: Plan,
    trigger: str,
    result: BatchResult,
    arrival: Arrival,
    metrics: Metrics,
    traces: Mapping[UUID, TraceContext],
) -> None:
    moved_by = plan.settlement.moved_by if plan.settlement else None
    request = result.requests.get(moved_by.id) if moved_by else None
    if request is None:
        return
    times, trace = result.times, traces.get(plan.claimed.id)
    exemplar = None if trace is None else trace.exemplar
    # until the claim by the database's clock alone, and from then on by this machine's
    waited = max(0.0, (request.seen_at - request.wanted_at).total_seconds())
    known = min(waited, max(0.0, times.read - arrival.known_since))
    metrics.stages.labels("commit").observe(waited - known)
    metrics.stages.labels("claim").observe(known)
    if arrival.absent_at is not None:  # a transaction may commit hours after its statement
        waited = min(waited, max(0.0, times.read - arrival.absent_at))
    metrics.claim_latency.labels(trigger).observe(waited, exemplar)
    metrics.resume_latency.labels(trigger).observe(waited + times.committed - times.read, exemplar)
