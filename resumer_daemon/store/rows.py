"""The rows that a claim reads, column by column as the statements name them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from resumer_daemon.engine.inputs import Kind


class ExecutionRow(NamedTuple):
    """A row of `sql/read_executions.sql`; documents are text."""

    id: UUID
    key: str
    workflow_id: UUID | None
    workflow_key: str | None
    status: str
    context: str | None
    resume_data: str | None
    trigger_payload: str | None
    too_large: str | None
    organization_id: UUID | None
    paused_step_id: str | None
    next_step_id: str | None
    paused_reason: str | None
    pause_number: int | None
    pause_reason: str
    pause_step: str | None
    ways: str
    waiting: str
    state: str | None
    definition: str | None
    reason_before: str | None
    held_before: str | None
    hold: str | None
    lost: bool
    asked: list[UUID]
    earlier: list[UUID]
    blocked_by_service: bool
    last_pause: int | None
    used: list[UUID] | None
    paused_at: datetime | None
    time_left: float | None
    now: float


class RequestRow(NamedTuple):
    """A row of `sql/read_requests.sql`."""

    id: int
    execution_id: UUID
    kind: Kind
    source_id: UUID | None
    decision: str | None
    pause_number: int | None
    payload: str | None
    actor: str | None
    reason: str | None
    due: bool
    due_at: str
    wanted_at: datetime
    seen_at: datetime
    consumed: str | None


class ApprovalRow(NamedTuple):
    """A row of `sql/read_approvals.sql`."""

    id: UUID
    execution_id: UUID
    request_id: str
    status: str
    approver_id: UUID | None
    approver_role: str | None
    decision_reason: str | None
    decided_at: str | None
    expired: bool
    expires_at: str | None
    objection: str | None
    traceparent: str | None
