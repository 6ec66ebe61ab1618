"""Entries of the `audit_log`: decisions, resumes, pauses, incidents and cancels."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from resumer_daemon.engine.inputs import Decision
from resumer_daemon.engine.plan import Plan
from resumer_daemon.store.arrays import columns
from resumer_daemon.workflow.values import Json, dump


class AuditEntry(NamedTuple):
    """A row of `audit_log`. `actor` is a user's id, any other name, or None for the daemon."""

    entity_type: str
    entity: UUID
    action: str
    actor: str | None
    changes: dict[str, Json]


COLUMNS = (
    "organizations", "entity_types", "entity_ids", "actions", "actor_ids", "by_person", "changes"
)  # fmt: skip


def audit_columns(plans: Sequence[Plan]) -> Mapping[str, Sequence[Any]]:
    """Return the audit entries of these plans as columns."""
    rows = [_row(plan.claimed.organization, *entry) for plan in plans for entry in _entries(plan)]
    return columns(COLUMNS, rows)


def _row(
    organization: UUID | None,
    entity_type: str,
    entity: UUID,
    action: str,
    actor: str | None,
    changes: Mapping[str, Json],
) -> tuple[Any, ...]:
    """Return a row. An actor that is not the id of a user is in the changes."""
    user = None if actor is None else _user(actor)
    written = {name: value for name, value in changes.items() if value is not None}
    if actor is not None and user is None:
        written["actor"] = actor
    return organization, entity_type, entity, action, user, actor is not None, dump(written)


def _entries(plan: Plan) -> Iterator[AuditEntry]:
    yield from _decisions(plan)
    moved_by = plan.settlement.moved_by if plan.settlement is not None else None
    # the approver is in the entry of the approval; the daemon resumes
    actor = moved_by.actor if moved_by is not None and moved_by.kind != "approval" else None
    changes: dict[str, Json] = {
        "reason": moved_by.reason if moved_by is not None else None,
        "request": moved_by.id if moved_by is not None else None,
    }
    execution = plan.claimed.id
    if plan.status == "cancelled":
        yield AuditEntry("execution", execution, "cancelled", actor, changes)
    elif plan.ends_incident or (plan.resumed and plan.closed_by == "retry"):
        yield AuditEntry("execution", execution, "retried", actor, changes)
    elif plan.resumed or plan.ends_manual_pause:
        by = moved_by.kind if moved_by is not None else "manual"
        changes |= {"trigger": plan.closed_by or by, "status": plan.status or "paused"}
        yield AuditEntry("execution", execution, "resumed", actor, changes)
    yield from _pauses(plan)


def _decisions(plan: Plan) -> Iterator[AuditEntry]:
    resolutions = plan.settlement.resolutions.values() if plan.settlement is not None else ()
    for resolution in resolutions:
        if not (isinstance(resolution, Decision) and plan.resumed):
            continue
        for decided in resolution.all:
            changes: dict[str, Json] = {
                "request_id": decided.request_id,
                "decision": decided.decision,
                "reason": decided.reason,
                "execution": str(plan.claimed.id),
            }
            approver = None if decided.approver_id is None else str(decided.approver_id)
            yield AuditEntry("approval", decided.id, decided.decision, approver, changes)


def _pauses(plan: Plan) -> Iterator[AuditEntry]:
    execution, opens = plan.claimed.id, plan.opens
    incident = plan.incident or (opens.incident if opens is not None else None)
    manual_pause = plan.manual_pause or (opens.manual_pause if opens is not None else None)
    if incident is not None:
        yield AuditEntry("execution", execution, "incident", None, incident.to_json())
    elif manual_pause is not None:
        changes: dict[str, Json] = {
            "reason": manual_pause.reason,
            "trigger": "manual",
            "hold": manual_pause.hold_number,
        }
        yield AuditEntry("execution", execution, "paused", manual_pause.actor, changes)
    elif opens is not None:
        paused: dict[str, Json] = {"reason": opens.reason, "step": opens.step_id}
        yield AuditEntry("execution", execution, "paused", None, paused)


def _user(actor: str) -> UUID | None:
    try:
        return UUID(actor)
    except ValueError:
        return None
