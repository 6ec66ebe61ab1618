"""A simulation as one JSON document, for programs."""

from collections.abc import Iterable
from typing import Any, assert_never

from resumer_daemon.cli.simulation_input import Subject
from resumer_daemon.engine.inputs import Approval, Decision, Event, Manual, Resolution, TimedOut
from resumer_daemon.engine.outcome import Completed, Failed, Incident, NewApproval, Paused
from resumer_daemon.engine.simulation import Scenario, Segment, Simulation, StepTrace, Stop
from resumer_daemon.engine.state import Branch, NextSteps, WaitCondition
from resumer_daemon.workflow.conditions import Comparison
from resumer_daemon.workflow.values import Json

Document = dict[str, Any]

_ANSWERED = frozenset({"status_code", "response"})


def to_document(subject: Subject, played: Simulation) -> Document:
    """Return a simulation as one document."""
    return {
        "execution": subject.claimed.key,
        "workflow": subject.claimed.workflow_key,
        "from": _stands(subject),
        "stretches": [_stretch(each) for each in played.segments],
        "unused": _unused(played.unused),
    }


def fails(document: Document) -> bool:
    """True if the simulation ends badly or leaves a scripted decision unused."""
    stops = [stretch["stop"] for stretch in document["stretches"]]
    badly = stops and (stops[-1]["status"] == "failed" or "incident" in stops[-1])
    return bool(badly or document["unused"])


def _stands(subject: Subject) -> Document:
    """Return the present state of the execution."""
    claimed, row = subject.claimed, subject.row
    if claimed.pause is None or claimed.status != "paused":
        facts = {"status": claimed.status, "result": row.get("result"), "error": row.get("error")}
        return _given(facts)
    pause = claimed.pause
    approvals = [_approval(each) for each in pause.own_approvals(claimed.approvals)]
    stands = _pause(pause.reason, pause.step_id, pause.next_steps, pause.wait, approvals)
    if row.get("pauses") and row["pauses"][-1]["incident"]:
        stands["incident"] = row["pauses"][-1]["incident"]
    return stands


def _stretch(stretch: Segment) -> Document:
    created = [write for write in stretch.writes if isinstance(write, NewApproval)]
    return {
        "answer": None if stretch.resolution is None else _resolution(stretch.resolution),
        "steps": [_step(each) for each in stretch.steps],
        "stop": _stop(stretch.stop, created),
    }


def _resolution(resolution: Resolution) -> Document:
    match resolution:
        case Decision(deciding):
            by = [each.request_id for each in resolution.all if each.decision == deciding.decision]
            return {"decision": deciding.decision, "requests": by}
        case Event(payload):
            return {"event": payload}
        case TimedOut():
            return {"decision": "timeout"}
        case Manual(trigger, actor):
            return {"decision": trigger, "actor": actor}
        case _:
            assert_never(resolution)


def _step(seen: StepTrace) -> Document:
    record, data = seen.record, seen.record.output.get("data") or {}
    facts = {
        "reason": record.output.get("reason"),
        "error": record.error,
        "result": data.get("result"),
        "comparisons": [_comparison(each) for each in seen.comparisons] or None,
        "actions": [_action(each) for each in data.get("execute_results", ())] or None,
        "unresolved": record.output.get("unresolved"),
    }
    return {
        "step": record.step_id,
        "path": record.path,
        "type": record.step_type,
        "status": record.status,
        **_given(facts),
    }


def _comparison(seen: Comparison) -> Document:
    document = {
        "field": seen.field,
        "operator": seen.operator,
        "value": seen.value,
        "actual": seen.actual,
    }
    return document | ({"holds": seen.holds} if seen.error is None else {"error": seen.error})


def _action(result: Json) -> Document:
    """Return an action as rendered. The result of its effect is invented, so it is left out."""
    return {name: value for name, value in result.items() if name not in _ANSWERED}


def _stop(stop: Stop, created: Iterable[NewApproval]) -> Document:
    match stop:
        case Completed(result, reason):
            return {"status": "completed", "result": result, **_given({"reason": reason})}
        case Failed(error):
            return {"status": "failed", "error": error}
        case Incident(cause, detail, remedy):
            what = {"cause": cause, "detail": detail, "remedy": remedy}
            return {"status": "paused", "reason": "incident", "incident": what}
        case Paused(reason, step_id, ways, wait, ids, branches):
            created = tuple(created)
            approvals = [_new_approval(each) for each in created if each.id in ids]
            others = [_branch(each, created) for each in branches[1:]]
            return _pause(reason, step_id, ways, wait, approvals) | _given(
                {"beside": others or None}
            )
        case _:
            assert_never(stop)


def _branch(branch: Branch, created: Iterable[NewApproval]) -> Document:
    approvals = [_new_approval(each) for each in created if each.id in branch.approval_ids]
    stands = _pause(branch.reason, branch.step_id, branch.next_steps, branch.wait, approvals)
    return {name: stands[name] for name in stands if name != "status"}


def _pause(
    reason: str,
    step_id: str | None,
    ways: NextSteps,
    wait: WaitCondition,
    approvals: list[Document],
) -> Document:
    leads = {name: ways.to_json().get(name) for name in _LEADS.get(reason, ())}
    facts = {
        "event": wait.event,
        "match": wait.match or None,
        "due_at": wait.due_at,
        "approvals": wait.approvals,
        "roles": list(wait.roles) or None,
        "asked": approvals or None,
    }
    return {"status": "paused", "reason": reason, "step": step_id, "ways": leads, **_given(facts)}


_LEADS = {
    "approval_required": ("approved", "refused", "expired"),
    "waiting_for_event": ("event", "timeout"),
    "waiting_for_time": ("event",),
}
"""The next steps of a pause, by reason. None: the flow ends there."""


def _new_approval(approval: NewApproval) -> Document:
    facts = {
        "role": approval.approver_role,
        "approver_id": approval.approver_id,
        "reason": approval.reason,
        "expires_at": approval.expires_at,
    }
    return {"request_id": approval.request_id, "status": "pending", **_given(facts)}


def _approval(approval: Approval) -> Document:
    facts = {
        "role": approval.approver_role,
        "approver_id": approval.approver_id,
        "expires_at": approval.expires_at,
    }
    return {"request_id": approval.request_id, "status": approval.status, **_given(facts)}


def _unused(script: Scenario) -> list[str]:
    return [*script.decisions, *(f"event {event.type}" for event in script.events)]


def _given(facts: Document) -> Document:
    return {name: value for name, value in facts.items() if value is not None}
