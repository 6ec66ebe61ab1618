"""The decision policy: what the approvals of one pause, as they stand now, decide together.

Only an exact `approved` approves, and only where nothing is to be said against it. One rejection or
expiry decides at once; else as many different approvers as were asked for, and one of each role
that was named.
"""

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from resumer_daemon.engine.inputs import Approval
from resumer_daemon.engine.state import WaitCondition
from resumer_daemon.frozen import frozen


@frozen
class PolicyResult:
    """The policy's word, the approvals that brought it about, and the one that decided last."""

    decision: Literal["approved", "rejected", "expired"]
    counted: tuple[Approval, ...]

    @property
    def deciding(self) -> Approval:
        """The approval that completed what was needed."""
        return self.counted[-1]


def decide(approvals: Sequence[Approval], waiting: WaitCondition) -> PolicyResult | None:
    """Return what is decided, or None while something is missing."""
    for approval in approvals:
        if approval.status == "rejected":
            return PolicyResult("rejected", (approval,))
    for approval in approvals:
        if approval.status == "expired":
            return PolicyResult("expired", (approval,))
    approved = _one_of_each_approver([a for a in approvals if a.approves], waiting.roles)
    if not approved or not _roles_covered(approved, waiting):
        return None
    if len(_distinct(approved)) < (waiting.approvals or len(waiting.roles) or len(approvals)):
        return None
    return PolicyResult("approved", tuple(sorted(approved, key=lambda a: a.decided_at or "")))


def _one_of_each_approver(approved: list[Approval], roles: Sequence[str]) -> list[Approval]:
    """Without roles only one approval of each approver counts."""
    return approved if roles else list(_distinct(approved).values())


def _distinct(approved: Sequence[Approval]) -> dict[UUID, Approval]:
    """Map each approver to the first approval they gave; an unknown one is somebody else."""
    by_approver: dict[UUID, Approval] = {}
    for approval in approved:
        by_approver.setdefault(approval.approver_id or approval.id, approval)
    return by_approver


def _roles_covered(approved: Sequence[Approval], waiting: WaitCondition) -> bool:
    """Tell whether each role can have an approver of its own: a matching by augmenting paths.

    An approval counts for the role that it was created for, whatever its row says by now.
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
    """Return the approvers of each role, once each; of more than there are roles one is free."""
    found: dict[str | None, dict[UUID, None]] = {role: {} for role in waiting.roles}
    for approval in approved:
        of_role = found.get(asked_of(approval, waiting))
        if of_role is not None and len(of_role) < len(waiting.roles):
            of_role[approval.approver_id or approval.id] = None
    return {role: list(found[role]) for role in waiting.roles}


def asked_of(approval: Approval, waiting: WaitCondition) -> str | None:
    """Return the role that an approval stands for: the one it was created for, where known."""
    return waiting.created_for.get(str(approval.id), approval.approver_role)
