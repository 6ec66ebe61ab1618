"""Which spans tell of a move: from the decision through claim, steps and record to what is sent."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from resumer_daemon import __version__
from resumer_daemon.daemon.turn import Times, Turned
from resumer_daemon.engine.outcome import Effect
from resumer_daemon.engine.plan import Plan
from resumer_daemon.errors import SettingsError
from resumer_daemon.store.claim import Seen
from resumer_daemon.telemetry.trace import Trace
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

    def turned(self, turned: Turned) -> Mapping[UUID, Trace]:
        """Tell of a committed turn; return what later effects of its executions go on with."""
        return {
            plan.claimed.id: self._moved(plan, seen, turned.times)
            for plan in turned.plans
            if plan.status is not None and plan.settlement and plan.settlement.moved_by
            if (seen := turned.seen.get(plan.settlement.moved_by.id)) is not None
        }

    def _moved(self, plan: Plan, seen: Seen, times: Times) -> Trace:
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
