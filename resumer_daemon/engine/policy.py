"""The approval policy: what the approvals of one branch decide together.

Only the status `approved` approves, and only if the decision guard accepts it. One rejection or one
expiry decides at once. Otherwise the policy needs as many different approvers as were requested,
and one for each role that was named.
"""

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from resumer_daemon.engine.inputs import Approval
from resumer_daemon.engine.state import WaitCondition
from resumer_daemon.frozen import Frozen


class PolicyResult(Frozen):
    """A decision and the approvals that led to it, the last one at the end."""

    decision: Literal["approved", "rejected", "expired"]
    counted: tuple[Approval, ...]

    @property
    def deciding(self) -> Approval:
        """The approval that completed the condition."""
        return self.counted[-1]


def decide(approvals: Sequence[Approval], waiting: WaitCondition) -> PolicyResult | None:
    """Return the decision, or None while approvals are missing."""
    for approval in approvals:
        if approval.status == "rejected":
            return PolicyResult("rejected", (approval,))
    for approval in approvals:
        if approval.status == "expired":
            return PolicyResult("expired", (approval,))
    approved = [approval for approval in approvals if approval.approves]
    by_approver = _distinct(approved)
    needed = waiting.approvals or len(waiting.roles) or len(approvals)
    if not approved or len(by_approver) < needed:
        return None
    if not waiting.roles:  # each approver counts once
        approved = list(by_approver.values())
    elif not _roles_covered(approved, waiting):
        return None
    return PolicyResult("approved", tuple(sorted(approved, key=lambda a: a.decided_at or "")))


def _distinct(approved: Sequence[Approval]) -> dict[UUID, Approval]:
    """Map each approver to their first approval. An unknown approver counts as a new one."""
    by_approver: dict[UUID, Approval] = {}
    for approval in approved:
        by_approver.setdefault(approval.approver_id or approval.id, approval)
    return by_approver


def _roles_covered(approved: Sequence[Approval], waiting: WaitCondition) -> bool:
    """Tell whether each role can have a different approver, by augmenting paths.

    An approval counts for the role that it was created for, even if its row has another role now.
    """
    candidates = _candidates(approved, waiting)
    taken: dict[UUID, str] = {}

    def assign(role: str, tried: set[UUID]) -> bool:
        for approver in candidates[role]:
            if approver in tried:
                continue
            tried.add(approver)
            if approver not in taken or assign(taken[approver], tried):
                taken[approver] = role
                return True
        return False

    return all(assign(role, set()) for role in waiting.roles)


def _candidates(approved: Sequence[Approval], waiting: WaitCondition) -> Mapping[str, list[UUID]]:
    """Return the approvers of each role, at most as many as there are roles."""
    found: dict[str | None, dict[UUID, None]] = {role: {} for role in waiting.roles}
    for approval in approved:
        of_role = found.get(role_of(approval, waiting))
        if of_role is not None and len(of_role) < len(waiting.roles):
            of_role[approval.approver_id or approval.id] = None
    return {role: list(found[role]) for role in waiting.roles}


def role_of(approval: Approval, waiting: WaitCondition) -> str | None:
    """Return the role that an approval counts for: the one it was created for, if known."""
    return waiting.created_for.get(str(approval.id), approval.approver_role)
