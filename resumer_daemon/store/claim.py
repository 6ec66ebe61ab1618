"""Claim executions and read them: lock first, then read, in statements of their own.

A SKIP LOCKED join reads what it does not lock as of its snapshot, which may be older than the
lock; whatever is decided on is therefore read by later statements of the same transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from resumer_daemon.engine.outcome import Waiting, Ways
from resumer_daemon.engine.requests import Approval, Claimed, OpenPause, Request
from resumer_daemon.engine.state import State
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, load


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A claimed execution of which something cannot be parsed: it stops alone."""

    claimed: Claimed
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """When a request was made and when it was first seen, for the latency metrics."""

    requested_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What one claim holds: executions that can be read, those that cannot, and request times."""

    claimed: Sequence[Claimed]
    unreadable: Sequence[Unreadable]
    seen: Mapping[int, Seen]


async def claim(session: Session, limit: int) -> list[UUID]:
    """Lock up to `limit` executions with something due and return their ids."""
    cursor = await session.run("claim_executions", {"limit": limit})
    return [row["id"] for row in await cursor.fetchall()]


async def claim_one(session: Session, execution: UUID) -> list[UUID]:
    """Lock one execution, unless somebody else holds it."""
    cursor = await session.run("claim_execution", {"id": execution})
    return [row["id"] for row in await cursor.fetchall()]


async def read(session: Session, ids: Sequence[UUID]) -> Batch:
    """Read everything about the executions that this transaction has locked."""
    executions = await session.run("read_executions", {"ids": ids})
    requests = await session.run("read_requests", {"ids": ids})
    approvals = await session.run("read_approvals", {"ids": ids, "timezone": session.timezone})
    execution_rows = await executions.fetchall()
    requests_of = _by_execution(await requests.fetchall())
    approvals_of = _by_execution(await approvals.fetchall())
    claimed, unreadable = [], []
    seen: dict[int, Seen] = {}
    for row in execution_rows:
        mine = requests_of[row["id"]]
        seen.update({r["id"]: Seen(r["requested_at"], r["seen_at"]) for r in mine})
        try:
            claimed.append(_claimed(row, mine, approvals_of[row["id"]], load))
        except ValueError as error:
            blank = _claimed(row, mine, approvals_of[row["id"]], lambda _: {})
            unreadable.append(Unreadable(blank, str(error)))
    return Batch(claimed, unreadable, seen)


def _by_execution(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, list[Mapping[str, Any]]]:
    found: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["execution_id"]].append(row)
    return found


def _claimed(row: Mapping[str, Any], requests: Any, approvals: Any, parse: Any) -> Claimed:
    def document(name: str) -> Json:
        text = row[name]
        return None if text is None else parse(text)

    return Claimed(
        id=row["id"],
        key=row["key"],
        status=row["status"],
        workflow=row["workflow_id"],
        workflow_key=row["workflow_key"] or "",
        organization=row.get("organization_id"),
        context=document("context"),
        resume_data=document("resume_data"),
        payload=document("trigger_payload"),
        pause=None if row["pause_number"] is None else _pause(row, document),
        last_pause=row["pause_number"] or row["last_pause"] or 0,
        requests=tuple(_request(r, parse) for r in requests),
        approvals=tuple(_approval(a) for a in approvals),
        pointers=(row.get("paused_step_id"), row.get("next_step_id")),
        used=frozenset(row["used"] or ()),
    )


def _pause(row: Mapping[str, Any], document: Any) -> OpenPause:
    waiting, state = document("waiting"), document("state")
    due_at = waiting.get("due_at")
    return OpenPause(
        number=row["pause_number"],
        reason=row["pause_reason"],
        reason_before=row["reason_before"],
        step_id=row["pause_step"],
        ways=Ways(**document("ways")),
        waiting=Waiting(
            approvals=waiting.get("approvals"),
            roles=tuple(waiting.get("roles", ())),
            event=waiting.get("event"),
            match=waiting.get("match", {}),
            due_at=None if due_at is None else datetime.fromisoformat(due_at),
        ),
        state=State.from_json(state) if state else None,
        definition=row["definition"],
        asked=tuple(row["asked"]),
        earlier=frozenset(row["earlier"]),
    )


def _request(row: Mapping[str, Any], parse: Any) -> Request:
    return Request(
        id=row["id"],
        kind=row["kind"],
        source_id=row["source_id"],
        decision=row["decision"],
        pause_number=row["pause_number"],
        payload=None if row["payload"] is None else parse(row["payload"]),
        actor=row["actor"],
        reason=row["reason"],
        due=row["due"],
        consumed=row["consumed"],
    )


def _approval(row: Mapping[str, Any]) -> Approval:
    return Approval(
        id=row["id"],
        request_id=row["request_id"],
        status=row["status"],
        approver_id=row["approver_id"],
        approver_role=row["approver_role"],
        reason=row["decision_reason"],
        decided_at=row["decided_at"],
        expired=row["expired"],
        expires_at=row["expires_at"],
    )
