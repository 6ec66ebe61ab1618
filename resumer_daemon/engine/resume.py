"""End a pause: the state to continue from, and the data that the resume adds."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine.advance import begin
from resumer_daemon.engine.identifiers import segment
from resumer_daemon.engine.inputs import (
    DecidedApproval,
    Decision,
    Event,
    Manual,
    Resolution,
    TimedOut,
)
from resumer_daemon.engine.state import (
    AWAITS,
    Awaits,
    NextSteps,
    Result,
    State,
    StepProgress,
    WaitResult,
)
from resumer_daemon.workflow.context import OVERRIDDEN
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.templates import rfc3339
from resumer_daemon.workflow.values import Json

OWN_NAMES: Final = frozenset(
    {"approval", "approvals", "approved", OVERRIDDEN, "resume_event", "resume", "resumed_at"}
)
_RESULTS: Final[Mapping[WaitResult, Result]] = {
    "approved": "allowed",
    "rejected": "blocked",
    "expired": "blocked",
}
# The due time of a wait for a time is its event.
_TIMED_OUT: Final[Mapping[Awaits | None, WaitResult]] = {"approval": "expired", "time": "event"}


def resume(
    definition: Definition, state: State | None, next_steps: NextSteps, resolution: Resolution
) -> State:
    """Return the state to advance from after the end of a pause.

    A manual pause and an incident have no wait, so the flow continues where it stopped. Without a
    state the flow has not begun, and starts at the first step. Step counts start again, because the
    step budget is per run.
    """
    if state is None:
        return begin(definition, None)
    wait_result = _wait_result_of(state.awaits, resolution)
    if wait_result is None:
        return reset_step_counts(state)
    note = (
        resolution.deciding.reason if isinstance(resolution, Decision) else _reason_of(resolution)
    )
    if wait_result == "timeout" and next_steps.timeout is None:
        return _with_wait_result(
            reset_step_counts(state), segment(state.step or ""), wait_result, None
        )
    decides = wait_result in _RESULTS
    return State(
        step=_next_step(next_steps, wait_result),
        result=_RESULTS[wait_result] if decides else state.result,
        reason=note if decides else state.reason,
        time_left=state.time_left,
        allowed_time=state.allowed_time,
        last_step_began=state.last_step_began,
    )


def resume_inside(state: State, resolutions: Mapping[str, Resolution]) -> State:
    """Return the state to advance from after branches inside a container have ended.

    `resolutions` are by path. Each step decides what its resolution means. Other branches keep
    waiting.
    """
    resting = reset_step_counts(state)
    done = dict(resting.progress)
    for path, resolution in resolutions.items():
        waits = done[path].branch
        wait_result = None if waits is None else _wait_result_of(AWAITS[waits.reason], resolution)
        if wait_result is not None:
            note = (
                resolution.deciding.reason
                if isinstance(resolution, Decision)
                else _reason_of(resolution)
            )
            done[path] = replace(done[path], branch=None, wait_result=wait_result, note=note)
    return replace(resting, progress=done)


def reset_step_counts(state: State) -> State:
    """Return the state with new step counts, except for the step under way."""
    visits = {step: visit for step, visit in state.visits.items() if step == state.step}
    done = {
        path: each
        if each.steps_before_resume == each.steps_taken
        else replace(each, steps_before_resume=each.steps_taken)
        for path, each in state.progress.items()
    }
    return replace(
        state, visits=visits, steps_taken=0, steps_taken_inside=0, awaits=None, progress=done
    )


def resume_data_after(
    resume_data: Mapping[str, Json],
    *resolutions: Resolution,
    number: int,
    at: datetime,
    actor: str | None = None,
    reason: str | None = None,
) -> dict[str, Json]:
    """Return the column `resume_data` after a resume.

    `number` is of the pause that ends, and `at` is the time of its end. `actor` and `reason` are
    used if a resolution names none.
    """
    data = dict(resume_data)
    for resolution in resolutions:
        added, resumed = _changes(resolution, data)
        facts = {"actor": resumed.get("actor") or actor, "reason": resumed.get("reason") or reason}
        if isinstance(resolution, Decision):
            data.pop(OVERRIDDEN, None)
        data |= added
        data["resume"] = {"data": None, **resumed, **facts, "number": number}
    data["resumed_at"] = rfc3339(at)
    return data


def _changes(
    resolution: Resolution, data: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the values that a resolution adds to the column, and the facts of the resume."""
    match resolution:
        case Decision(deciding, decided):
            facts = {each.id: _approval_json(each) for each in decided}
            approval = facts.get(deciding.id) or _approval_json(deciding)
            approvals = _appended(data.get("approvals"), facts.values())
            actor = _text(deciding.approver_id)
            return (
                {"approval": approval, "approvals": approvals, "approved": approval["approved"]},
                {"trigger": "approval", "actor": actor, "reason": deciding.reason},
            )
        case Event(payload):
            return {"resume_event": payload}, {"trigger": "event"}
        case TimedOut():
            return {}, {"trigger": "timeout"}
        case Manual(trigger, actor, reason, given):
            # Only an approver may set `approved` and the other names of the daemon.
            free = {name: value for name, value in given.items() if name not in OWN_NAMES}
            resumed = {"trigger": trigger, "actor": actor, "reason": reason, "data": dict(given)}
            return free | _override(resolution), resumed
        case _:
            assert_never(resolution)


def _override(manual: Manual) -> dict[str, Json]:
    """Return the decision of a person who ended a wait for an approval without approving it.

    It replaces an earlier approval, which would otherwise be read as the approval of this pause.
    """
    if manual.approves is None:
        return {}
    return {"approved": manual.approves, OVERRIDDEN: manual.approves}


def resume_data_at_pause(resume_data: Mapping[str, Json]) -> dict[str, Json]:
    """Return the column `resume_data` during a pause, without the key `approved`.

    The service resumes executions with a top-level `approved`. The engine reads `approval` instead,
    or the override of a person.
    """
    return {name: value for name, value in resume_data.items() if name != "approved"}


def _next_step(next_steps: NextSteps, wait_result: WaitResult) -> str | None:
    match wait_result:
        case "approved":
            return next_steps.approved
        case "rejected":
            return next_steps.rejected
        case "expired":
            return next_steps.expired
        case "event":
            return next_steps.event
        case "timeout":
            return next_steps.timeout
        case _:
            assert_never(wait_result)


def _wait_result_of(awaits: Awaits | None, resolution: Resolution) -> WaitResult | None:
    """Return how a resolution ends a wait, None if it does not end this kind of wait.

    Only an explicit approval approves, and only a decision or a person ends a wait for an approval.
    """
    match resolution:
        case Decision(deciding):
            return deciding.decision if awaits in (None, "approval") else None
        case Event():
            return "event" if awaits != "approval" else None
        case TimedOut():
            return _TIMED_OUT.get(awaits, "timeout")
        case Manual():
            return _manual_wait_result(awaits, resolution)
        case _:
            assert_never(resolution)


def _manual_wait_result(awaits: Awaits | None, resolution: Manual) -> WaitResult | None:
    match awaits:
        case "approval":
            return "rejected" if resolution.approves is False else "approved"
        case "event" | "time":
            return "event"
        case None:
            return None
        case _:
            assert_never(awaits)


def _reason_of(resolution: Resolution) -> str | None:
    return resolution.reason if isinstance(resolution, Manual) else None


def _with_wait_result(state: State, path: str, wait_result: WaitResult, note: str | None) -> State:
    """Return a state whose step under way knows how its wait ended."""
    facts = replace(state.progress.get(path, StepProgress()), wait_result=wait_result, note=note)
    return replace(state, progress={**state.progress, path: facts})


def _appended(before: Json, decided: Iterable[dict[str, Json]]) -> list[Json]:
    """Return the list of approvals, oldest first, without duplicates."""
    earlier = list(before) if isinstance(before, list) else []
    known = {fact.get("id") for fact in earlier if isinstance(fact, dict)}
    return earlier + [fact for fact in decided if fact["id"] not in known]


def _approval_json(decided: DecidedApproval) -> dict[str, Json]:
    return {
        "id": str(decided.id),
        "request_id": decided.request_id,
        "decision": decided.decision,
        "approved": decided.decision == "approved",
        "approver_id": _text(decided.approver_id),
        "reason": decided.reason,
        "decided_at": decided.decided_at,
    }


def _text(given: UUID | None) -> str | None:
    return None if given is None else str(given)
