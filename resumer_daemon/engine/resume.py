"""Resume: where the answer to a pause leads, and what is kept of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from resumer_daemon.engine.advance import begin
from resumer_daemon.engine.answer import Answer, Decided, Decision, Event, Manual, TimedOut
from resumer_daemon.engine.keys import segment
from resumer_daemon.engine.outcome import Ways
from resumer_daemon.engine.progress import Progress, Reply
from resumer_daemon.engine.state import Awaits, Result, State
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.names import rfc3339
from resumer_daemon.workflow.values import Json

_OWN_NAMES: Final = frozenset(
    {"approval", "approvals", "approved", "resume_event", "resume", "resumed_at"}
)
_RESULTS: Final[Mapping[Reply, Result]] = {
    "approved": "allowed",
    "rejected": "blocked",
    "expired": "blocked",
}
# The time that a timer waits for is its event.
_TIMED_OUT: Final[Mapping[Awaits | None, Reply]] = {"approval": "expired", "time": "event"}


def resume(definition: Definition, state: State | None, ways: Ways, answer: Answer) -> State:
    """Return the state from which to advance once a pause has been answered.

    A pause for a person or an incident waits for nothing by itself: it goes on where it stood,
    from the first step where the flow has not begun (no state). The counts of steps begin anew,
    for a budget is of one run.
    """
    if state is None:
        return begin(definition, None)
    reply = _reply(state.awaits, answer)
    if reply is None:
        return rested(state)
    note = answer.deciding.reason if isinstance(answer, Decision) else _said(answer)
    if state.inside is not None:
        return _told(rested(state), state.inside, reply, note)
    if reply == "timeout" and ways.timeout is None:
        return _told(rested(state), segment(state.step or ""), reply, None)
    decides = reply in _RESULTS
    return State(
        step=_way(ways, reply),
        result=_RESULTS[reply] if decides else state.result,
        reason=note if decides else state.reason,
        time_left=state.time_left,
        allowed_time=state.allowed_time,
    )


def rested(state: State) -> State:
    """Return the state as it stands, its counts of steps begun anew but for the one under way."""
    visits = {step: visit for step, visit in state.visits.items() if step == state.step}
    done = {path: replace(progress, rested=progress.taken) for path, progress in state.done.items()}
    return replace(
        state, visits=visits, taken=0, taken_inside=0, awaits=None, inside=None, done=done
    )


def resume_data_after(
    resume_data: Mapping[str, Json],
    answer: Answer,
    *,
    number: int,
    at: datetime,
    actor: str | None = None,
    reason: str | None = None,
) -> dict[str, Json]:
    """Return what the column holds after a resume: what was there, and what the answer brings.

    `number` is of the pause that ends, `at` when it does. `actor` and `reason` are kept where the
    answer itself names none.
    """
    data = dict(resume_data)
    resumed: dict[str, Json] = {"actor": actor, "reason": reason, "data": None}
    match answer:
        case Decision(deciding, decided):
            facts = {each.id: _fact(each) for each in decided}
            data["approval"] = facts.get(deciding.id) or _fact(deciding)
            data["approvals"] = _accumulated(data.get("approvals"), facts.values())
            data["approved"] = deciding.decision == "approved"
            resumed |= {"trigger": "approval", "reason": deciding.reason or reason}
            resumed["actor"] = _text(deciding.approver_id) or actor
        case Event(payload):
            data["resume_event"] = payload
            resumed["trigger"] = "event"
        case TimedOut():
            resumed["trigger"] = "timeout"
        case Manual(trigger, who, why, given):
            # Under the names of the list: nobody but an approver may set `approved`.
            data |= {name: value for name, value in given.items() if name not in _OWN_NAMES}
            resumed |= {"trigger": trigger, "actor": who or actor, "reason": why or reason}
            resumed["data"] = dict(given)
        case _:
            assert_never(answer)
    data["resume"] = resumed | {"number": number}
    data["resumed_at"] = rfc3339(at)
    return data


def resume_data_at_pause(resume_data: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the column holds while an execution is paused.

    The service's own resumer acts on a top-level `approved`; the engine has it from `approval`.
    """
    return {name: value for name, value in resume_data.items() if name != "approved"}


def _way(ways: Ways, reply: Reply) -> str | None:
    match reply:
        case "approved":
            return ways.approved
        case "rejected":
            return ways.refused
        case "expired":
            return ways.expired
        case "event":
            return ways.event
        case "timeout":
            return ways.timeout
        case _:
            assert_never(reply)


def _reply(awaits: Awaits | None, answer: Answer) -> Reply | None:
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
            return _manual_reply(awaits, answer)
        case _:
            assert_never(answer)


def _manual_reply(awaits: Awaits | None, answer: Manual) -> Reply | None:
    match awaits:
        case "approval":
            return "rejected" if answer.data.get("approved") is False else "approved"
        case "event" | "time":
            return "event"
        case None:
            return None
        case _:
            assert_never(awaits)


def _said(answer: Answer) -> str | None:
    return answer.reason if isinstance(answer, Manual) else None


def _told(state: State, path: str, reply: Reply, note: str | None) -> State:
    """Tell the step that paused what ended the pause; it decides itself what that means."""
    told = replace(state.done.get(path, Progress()), reply=reply, note=note)
    return replace(state, done={**state.done, path: told})


def _accumulated(before: Json, decided: Iterable[dict[str, Json]]) -> list[Json]:
    """Return the list of approvals, oldest first, each once."""
    earlier = list(before) if isinstance(before, list) else []
    known = {fact.get("id") for fact in earlier if isinstance(fact, dict)}
    return earlier + [fact for fact in decided if fact["id"] not in known]


def _fact(decided: Decided) -> dict[str, Json]:
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
