"""The service's audit log: which rows a plan leaves there, by whom and why."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from resumer_daemon.engine.inputs import Decision
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.plan import Plan
from resumer_daemon.workflow.values import Json, dump


class Entry(NamedTuple):
    """A row of `audit_log`. `actor` is a user's id, any other name, or None for the daemon."""

    entity_type: str
    entity: UUID
    action: str
    actor: str | None
    changes: dict[str, Json]


def audited(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return what these plans leave in the log, column by column."""
    rows = [(plan.claimed.organization, entry) for plan in plans for entry in _entries(plan)]
    return {
        "organizations": [organization for organization, _ in rows],
        "entity_types": [entry.entity_type for _, entry in rows],
        "entity_ids": [entry.entity for _, entry in rows],
        "actions": [entry.action for _, entry in rows],
        "actor_ids": [_user(entry.actor) for _, entry in rows],
        "by_person": [entry.actor is not None for _, entry in rows],
        "changes": [dump(_said(entry)) for _, entry in rows],
    }


def _entries(plan: Plan) -> Iterator[Entry]:
    yield from _decisions(plan)
    moved_by = plan.settlement.moved_by if plan.settlement is not None else None
    # an approver has an entry of the approval: the daemon resumes
    actor = moved_by.actor if moved_by is not None and moved_by.kind != "approval" else None
    said: dict[str, Json] = {
        "reason": moved_by.reason if moved_by is not None else None,
        "request": moved_by.id if moved_by is not None else None,
    }
    execution = plan.claimed.id
    if plan.status == "cancelled":
        yield Entry("execution", execution, "cancelled", actor, said)
    elif plan.lifts or (plan.resumed and plan.closes == "retry"):
        yield Entry("execution", execution, "retried", actor, said)
    elif plan.resumed or plan.lets_go:
        by = moved_by.kind if moved_by is not None else "manual"
        said |= {"trigger": plan.closes or by, "status": plan.status or "paused"}
        yield Entry("execution", execution, "resumed", actor, said)
    yield from _stops(plan)


def _decisions(plan: Plan) -> Iterator[Entry]:
    answers = plan.settlement.answers.values() if plan.settlement is not None else ()
    for answer in answers:
        if not (isinstance(answer, Decision) and plan.resumed):
            continue
        for decided in answer.all:
            said: dict[str, Json] = {
                "request_id": decided.request_id,
                "decision": decided.decision,
                "reason": decided.reason,
                "execution": str(plan.claimed.id),
            }
            approver = None if decided.approver_id is None else str(decided.approver_id)
            yield Entry("approval", decided.id, decided.decision, approver, said)


def _stops(plan: Plan) -> Iterator[Entry]:
    execution, opens = plan.claimed.id, plan.opens
    stopped = plan.overlay or (opens.incident if opens is not None else None)
    held = plan.holds or (opens.held if opens is not None else None)
    if stopped is not None:
        yield Entry("execution", execution, "incident", None, _incident(stopped))
    elif held is not None:
        said: dict[str, Json] = {"reason": held.reason, "trigger": "manual", "hold": held.number}
        yield Entry("execution", execution, "paused", held.actor, said)
    elif opens is not None:
        paused: dict[str, Json] = {"reason": opens.reason, "step": opens.step_id}
        yield Entry("execution", execution, "paused", None, paused)


def _incident(what: Incident) -> dict[str, Json]:
    return {"cause": what.cause, "detail": what.detail, "remedy": what.remedy}


def _user(actor: str | None) -> UUID | None:
    try:
        return None if actor is None else UUID(actor)
    except ValueError:
        return None


def _said(entry: Entry) -> dict[str, Json]:
    """Return what is known beside the columns; a name that is no user's id is kept there."""
    named = {"actor": entry.actor} if _user(entry.actor) is None else {}
    return {name: value for name, value in (entry.changes | named).items() if value is not None}
