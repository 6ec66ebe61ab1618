"""Resume: where the answer to a pause leads, and what is kept of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

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
# The time that a timer waits for is its event.
_TIMED_OUT: Final[Mapping[Awaits | None, WaitResult]] = {"approval": "expired", "time": "event"}


def resume(
    definition: Definition, state: State | None, ways: NextSteps, answer: Resolution
) -> State:
    """Return the state from which to advance once a pause has been answered.

    A pause for a person or an incident waits for nothing by itself: it goes on where it stood,
    from the first step where the flow has not begun (no state). The counts of steps begin anew,
    for a budget is of one run.
    """
    if state is None:
        return begin(definition, None)
    reply = _wait_result_of(state.awaits, answer)
    if reply is None:
        return reset_step_counts(state)
    note = answer.deciding.reason if isinstance(answer, Decision) else _reason_of(answer)
    if reply == "timeout" and ways.timeout is None:
        return _with_wait_result(reset_step_counts(state), segment(state.step or ""), reply, None)
    decides = reply in _RESULTS
    return State(
        step=_next_step(ways, reply),
        result=_RESULTS[reply] if decides else state.result,
        reason=note if decides else state.reason,
        time_left=state.time_left,
        allowed_time=state.allowed_time,
        last_step_began=state.last_step_began,
    )


def resume_inside(state: State, answers: Mapping[str, Resolution]) -> State:
    """Return the state from which to advance once branches inside of a container are answered.

    `answers` are by path. Each branch decides itself what its answer means; the others wait on.
    """
    resting = reset_step_counts(state)
    done = dict(resting.progress)
    for path, answer in answers.items():
        waits = done[path].branch
        reply = None if waits is None else _wait_result_of(AWAITS[waits.reason], answer)
        if reply is not None:
            note = answer.deciding.reason if isinstance(answer, Decision) else _reason_of(answer)
            done[path] = replace(done[path], branch=None, wait_result=reply, note=note)
    return replace(resting, progress=done)


def reset_step_counts(state: State) -> State:
    """Return the state as it stands, its counts of steps begun anew but for the one under way."""
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
    *answers: Resolution,
    number: int,
    at: datetime,
    actor: str | None = None,
    reason: str | None = None,
) -> dict[str, Json]:
    """Return what the column holds after a resume: what was there, and what the answers bring.

    `number` is of the pause that ends, `at` when it does. `actor` and `reason` are kept where the
    answer itself names none.
    """
    data = dict(resume_data)
    for answer in answers:
        brought, resumed = _changes(answer, data)
        told = {"actor": resumed.get("actor") or actor, "reason": resumed.get("reason") or reason}
        if isinstance(answer, Decision):
            data.pop(OVERRIDDEN, None)
        data |= brought
        data["resume"] = {"data": None, **resumed, **told, "number": number}
    data["resumed_at"] = rfc3339(at)
    return data


def _changes(
    answer: Resolution, data: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what an answer adds to the column, and what it tells of the resume."""
    match answer:
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
            # Under the names of the list: nobody but an approver may set `approved`.
            free = {name: value for name, value in given.items() if name not in OWN_NAMES}
            resumed = {"trigger": trigger, "actor": actor, "reason": reason, "data": dict(given)}
            return free | _override(answer), resumed
        case _:
            assert_never(answer)


def _override(manual: Manual) -> dict[str, Json]:
    """Return the word of a person who ended a wait for an approval without being its approver.

    It takes the place of an earlier approval, which would else be read as that of this pause.
    """
    if manual.approves is None:
        return {}
    return {"approved": manual.approves, OVERRIDDEN: manual.approves}


def resume_data_at_pause(resume_data: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the column holds while an execution is paused.

    The service's own resumer acts on a top-level `approved`; the engine has it from `approval`, or
    from what a person set in its place.
    """
    return {name: value for name, value in resume_data.items() if name != "approved"}


def _next_step(ways: NextSteps, reply: WaitResult) -> str | None:
    match reply:
        case "approved":
            return ways.approved
        case "rejected":
            return ways.rejected
        case "expired":
            return ways.expired
        case "event":
            return ways.event
        case "timeout":
            return ways.timeout
        case _:
            assert_never(reply)


def _wait_result_of(awaits: Awaits | None, answer: Resolution) -> WaitResult | None:
    """Return what an answer means for what the pause waits for; None where it is no answer to it.

    Only an explicit approval approves, and nothing else ends a wait for one.
    """
    match answer:
        case Decision(deciding):
            return deciding.decision if awaits in (None, "approval") else None
        case Event():
            return "event" if awaits != "approval" else None
        case TimedOut():
            return _TIMED_OUT.get(awaits, "timeout")
        case Manual():
            return _manual_wait_result(awaits, answer)
        case _:
            assert_never(answer)


def _manual_wait_result(awaits: Awaits | None, answer: Manual) -> WaitResult | None:
    match awaits:
        case "approval":
            return "rejected" if answer.approves is False else "approved"
        case "event" | "time":
            return "event"
        case None:
            return None
        case _:
            assert_never(awaits)


def _reason_of(answer: Resolution) -> str | None:
    return answer.reason if isinstance(answer, Manual) else None


def _with_wait_result(state: State, path: str, reply: WaitResult, note: str | None) -> State:
    """Tell the step that paused what ended the pause; it decides itself what that means."""
    told = replace(state.progress.get(path, StepProgress()), wait_result=reply, note=note)
    return replace(state, progress={**state.progress, path: told})


def _appended(before: Json, decided: Iterable[dict[str, Json]]) -> list[Json]:
    """Return the list of approvals, oldest first, each once."""
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
