"""Write the plans of a batch in a constant number of statements, whatever its size.

Statements without rows are not sent. All are sent in one pipeline and commit together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from resumer_daemon.engine.inputs import APPROVAL_DELETED, Approval
from resumer_daemon.engine.outcome import NewApproval, OutboxMessage
from resumer_daemon.engine.plan import DefinitionCopy, PauseToOpen, Plan
from resumer_daemon.engine.timers import own_requests
from resumer_daemon.store import pauses
from resumer_daemon.store.arrays import array, columns
from resumer_daemon.store.audit import audit_columns
from resumer_daemon.store.pauses import can_be_stored
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.templates import rfc3339
from resumer_daemon.workflow.values import Json, dump


async def record(
    session: Session, plans: Sequence[Plan], copies: Mapping[str, DefinitionCopy]
) -> None:
    """Write these plans. `copies` are definitions to store, by fingerprint."""
    moved = [p for p in plans if p.status is not None]
    closing = [p for p in plans if p.closed_by and p.claimed.pause]
    opening = [(p, p.opens) for p in plans if p.opens is not None]
    incidents = [p for p in plans if p.incident is not None]
    retried = [p for p in plans if p.ends_incident]
    paused = [p for p in plans if p.manual_pause is not None]
    resumed = [p for p in plans if p.ends_manual_pause]
    async with session.service_search_path():
        # the steps come first: no step may end after its execution
        await _write(session, "record.insert_steps", _steps(moved))
        await _write(session, "record.update_executions", _executions(moved))
        await _write(session, "record.insert_approvals", _approvals(moved))
    await _write(session, "record.insert_outbox", _outbox(moved))
    await _write(session, "record.close_pauses", pauses.to_close(closing))
    await _write(session, "record.delete_event_waits", pauses.ended_event_waits(plans))
    await _write(session, "record.insert_definitions", _definitions(plans, copies))
    await _write(session, "record.open_pauses", pauses.to_open(opening))
    await _write(session, "record.insert_event_waits", pauses.event_waits(plans))
    async with session.service_search_path():
        await _write(session, "record.apply_incidents", pauses.incidents(incidents))
        await _write(session, "record.lift_incidents", pauses.keys(retried))
        await _write(session, "record.apply_manual_pauses", pauses.manual_pauses(paused))
        await _write(session, "record.lift_manual_pauses", pauses.keys(resumed))
        # before the requests are settled, because their payloads are the rows to restore
        await _write(session, "record.revert_foreign_writes", _foreign_writes(plans))
    await _write(session, "record.settle_requests", _settled(plans))
    await _write(session, "record.settle_unrequested_decisions", _unrequested(plans))
    await _write(session, "record.insert_requests", _own_requests(plans))
    await _write(session, "record.requeue_past_events", _past_events(plans))
    async with session.service_search_path():
        await _write(session, "record.expire_approvals", _expired(plans))
        await _write(session, "record.withdraw_approvals", _withdrawn(plans))
        if "audit" in session.features:
            await _write(session, "record.insert_audit", audit_columns(plans))


async def _write(session: Session, statement: str, written: Mapping[str, Sequence[Any]]) -> None:
    if next(iter(written.values())):
        arrays = {name: array(column) for name, column in written.items()}
        await session.run(statement, {**arrays, "timezone": session.timezone})


def _text(value: Json) -> str | None:
    return None if value is None else dump(value)


def _executions(plans: Sequence[Plan]) -> Mapping[str, Sequence[Any]]:
    return {
        "ids": [p.claimed.id for p in plans],
        "statuses": [p.status for p in plans],
        "results": [p.result for p in plans],
        "errors": [p.error for p in plans],
        "contexts": [_text(p.context) for p in plans],
        "resume_datas": [_text(p.resume_data) for p in plans],
        "paused_reasons": [p.opens.reason if p.opens else None for p in plans],
        "paused_steps": [p.opens.step_id if p.opens else None for p in plans],
        "next_steps": [
            p.opens.next_steps.approved or p.opens.next_steps.event or _stopped_before(p.opens)
            if p.opens
            else None
            for p in plans
        ],
        "resumed": [int(p.resumed) for p in plans],
        "wait_states": [_wait_state(p.opens) for p in plans],
        "timeouts": [p.timeout for p in plans],
    }


def _wait_state(pause: PauseToOpen | None) -> str | None:
    """Return the `wait_state` that the service reads; the statement adds its start."""
    if pause is None or pause.reason not in ("waiting_for_event", "waiting_for_time"):
        return None
    wait, next_steps = pause.wait, pause.next_steps
    stored = {
        "event": wait.event or "",
        "timeout_at": wait.due_at and rfc3339(wait.due_at),
        "on_timeout": next_steps.event if wait.event is None else next_steps.timeout,
    }
    return dump({name: value for name, value in stored.items() if value is not None})


def _stopped_before(pause: PauseToOpen) -> str | None:
    return pause.step_id if pause.reason == "manual" else None


def _steps(plans: Sequence[Plan]) -> Mapping[str, Sequence[Any]]:
    rows = [(plan.claimed, step) for plan in plans for step in plan.records]
    return {
        "execution_ids": [c.id for c, _ in rows],
        "organizations": [c.organization for c, _ in rows],
        "step_ids": [s.step_id for _, s in rows],
        "types": [s.step_type for _, s in rows],
        "statuses": [s.status for _, s in rows],
        "outputs": [_text(s.output) for _, s in rows],
        "errors": [s.error for _, s in rows],
        "begins": [s.began for _, s in rows],
        "seconds": [s.seconds for _, s in rows],
    }


def _approvals(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    rows = [(p.claimed, w) for p in plans for w in p.writes if isinstance(w, NewApproval)]
    return {
        "execution_ids": [c.id for c, _ in rows],
        "organizations": [c.organization for c, _ in rows],
        "ids": [a.id for _, a in rows],
        "request_ids": [a.request_id for _, a in rows],
        "entity_types": [a.entity_type for _, a in rows],
        "entity_ids": [a.entity_id for _, a in rows],
        "roles": [a.approver_role for _, a in rows],
        "approvers": [a.approver_id for _, a in rows],
        "reasons": [a.reason for _, a in rows],
        "expiries": [a.expires_at for _, a in rows],
        "requesters": [a.requester_id for _, a in rows],
    }


def _outbox(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    rows = [(p.claimed.id, w) for p in plans for w in p.writes if isinstance(w, OutboxMessage)]
    return {
        "keys": [message.key for _, message in rows],
        "execution_ids": [execution for execution, _ in rows],
        "kinds": [message.kind for _, message in rows],
        "bodies": [dump(message.body) for _, message in rows],
    }


def _definitions(
    plans: Sequence[Plan], copies: Mapping[str, DefinitionCopy]
) -> dict[str, list[Any]]:
    hashes = [p.definition_sha256 for p in plans if p.definition_sha256 is not None]
    kept = sorted({h for h in hashes if h in copies})
    awaited = {event for h in kept for event in copies[h].awaits}
    return {
        "hashes": kept,
        "bodies": [copies[h].text for h in kept],
        "event_types": sorted(filter(can_be_stored, awaited)),
    }


def _settled(plans: Sequence[Plan]) -> Mapping[str, Sequence[Any]]:
    rows = [
        (request, outcome, reasons.get(request), plan.claimed.organization)
        for plan in plans
        for reasons in [{**_moved(plan), **plan.guard_violations}]
        for request, outcome in plan.outcomes.items()
    ]
    return columns(("ids", "outcomes", "reasons", "organizations"), rows)


def _moved(plan: Plan) -> dict[int, str]:
    """Return reasons for decisions that were applied to another execution."""
    decisions = (
        r for r in plan.claimed.requests if r.kind == "approval" and r.decision != APPROVAL_DELETED
    )
    consumed = [r for r in decisions if r.consumed is not None]
    here = {approval.id for approval in plan.claimed.approvals} if consumed else set()
    return {r.id: "applied to another execution" for r in consumed if r.source_id not in here}


def _expired(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    rows = [(approval, plan.claimed.id) for plan in plans for approval in plan.overdue]
    return {"ids": [a for a, _ in rows], "execution_ids": [e for _, e in rows]}


def _withdrawn(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    rows = [(approval, plan.claimed.id) for plan in plans for approval in plan.withdrawn]
    return {"ids": [a for a, _ in rows], "execution_ids": [e for _, e in rows]}


def _foreign_writes(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    return {"ids": [request for plan in plans for request in plan.writes_to_undo]}


def _past_events(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    return {"ids": [plan.claimed.id for plan in plans if plan.requeues_past_events]}


def _unrequested(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    rows = [(plan.claimed.id, a, "applied") for plan in plans for a in plan.unrequested_approvals]
    rows += [
        (plan.claimed.id, a, "superseded") for plan in plans for a in plan.superseded_approvals
    ]
    return {
        "execution_ids": [execution for execution, _, _ in rows],
        "sources": [approval.id for _, approval, _ in rows],
        "decisions": [approval.status for _, approval, _ in rows],
        "actors": [_decided_by(approval) for _, approval, _ in rows],
        "outcomes": [outcome for _, _, outcome in rows],
    }


def _decided_by(approval: Approval) -> str | None:
    """Return the approver; an expiry has none."""
    return (
        None
        if approval.approver_id is None or approval.status == "expired"
        else str(approval.approver_id)
    )


REQUESTS = ("execution_ids", "kinds", "sources", "decisions", "pauses", "due")


def _own_requests(plans: Sequence[Plan]) -> Mapping[str, Sequence[Any]]:
    return columns(REQUESTS, [row for plan in plans for row in own_requests(plan)])
