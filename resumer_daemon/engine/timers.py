"""Approval expiry and wait timers: the requests that a plan adds for later.

`settlement` finds the approvals that are overdue, and `store/record` expires them.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from resumer_daemon.engine.adoption import SECOND_LOOK
from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.plan import PauseToOpen, Plan


def own_requests(plan: Plan) -> Iterable[tuple[Any, ...]]:
    """Yield the daemon's own requests of a plan: timers and second looks."""
    execution = plan.claimed.id
    if plan.checks_again:
        yield execution, "adopt", None, None, None, None
    if plan.check_again_at is not None:
        yield execution, "adopt", None, SECOND_LOOK, None, plan.check_again_at.isoformat()
    for approval in plan.without_timer:
        yield execution, "timeout", approval.id, None, None, approval.expires_at
    yield from _expiries(execution, plan)
    waiting = plan.branches if plan.applies_event else plan.new_branches
    if any(branch.wait.event is not None for branch in waiting):
        # search past events after the commit: the earlier of two may have ended another wait
        yield execution, "adopt", None, None, None, None
    if plan.opens is not None:
        yield from _timers(execution, plan.opens)


def _expiries(execution: UUID, plan: Plan) -> Iterable[tuple[Any, ...]]:
    awaited = {approval for branch in plan.branches for approval in branch.approval_ids}
    for write in plan.writes:
        if isinstance(write, NewApproval) and write.expires_at and write.id in awaited:
            yield execution, "timeout", write.id, None, None, write.expires_at.isoformat()
    yield from _expiries_of_prior(execution, plan)


def _expiries_of_prior(execution: UUID, plan: Plan) -> Iterable[tuple[Any, ...]]:
    """Yield timers of approvals that were inserted before their step began to wait."""
    awaited = {approval for branch in plan.new_branches for approval in branch.approval_ids}
    if awaited:
        awaited -= {r.source_id for r in plan.claimed.requests if r.kind == "timeout"}
    for approval in plan.claimed.approvals if awaited else ():
        if approval.id in awaited and approval.status == "pending" and approval.expires_at:
            yield execution, "timeout", approval.id, None, None, approval.expires_at


def _timers(execution: UUID, pause: PauseToOpen) -> Iterable[tuple[Any, ...]]:
    for branch in pause.branches:
        if branch.wait.due_at is not None:
            due = branch.wait.due_at.isoformat()
            yield execution, "timeout", None, branch.path or None, pause.number, due
