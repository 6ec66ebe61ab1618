"""Approvals: the ones that an action asks for, and the ones that a block needs anyway."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from resumer_daemon.engine.actions.task import Task, shown
from resumer_daemon.engine.keys import approval_id, digest, request_id
from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ActionStep, Requires
from resumer_daemon.workflow.durations import seconds
from resumer_daemon.workflow.faults import Fault
from resumer_daemon.workflow.templates import mask_secrets, render_text
from resumer_daemon.workflow.values import Json

ROLE = "manager"
REASON = "Approval required by workflow"


def create_approval_request(task: Task) -> dict[str, Json]:
    """Ask for an approval."""
    made_of = task.digest()
    approval = NewApproval(
        id=approval_id(made_of),
        request_id=request_id(made_of),
        entity_type=_fitting("entity", task.needed("entity"), 100),
        entity_id=_fitting("entity_id", task.text("entity_id"), 255),
        approver_role=_fitting("approver_role", task.text("approver_role"), 100) or ROLE,
        approver_id=_approver(task),
        reason=mask_secrets(task.text("reason")) or REASON,
        expires_at=_expiry(task.text("expires_in"), task.walk.world.now),
    )
    task.walk.writes.append(approval)
    task.progress.asked += (str(approval.id),)
    return _shown(approval)


def rendered(
    requires: Requires, step: ActionStep, place: Place, walk: Walk, unresolved: set[str]
) -> Requires:
    """Return what a block requires with its texts rendered: approvals are compared with that.

    Raises:
        Fault: A role is longer than there is room for.
    """
    names = walk.names(step, None)

    def text(written: str | None) -> str:
        return render_text(written or "", place.context, names, unresolved)

    return Requires(
        role=_fitting("role", text(requires.role), 100) or ROLE,
        expires_in=text(requires.expires_in),
        approvals=requires.approvals,
        roles=tuple(_fitting("role", text(role), 100) or ROLE for role in requires.roles),
    )


def needed_approvals(
    requires: Requires, reason: str, place: Place, walk: Walk
) -> tuple[NewApproval, ...]:
    """Return the approvals of a block whose list created none; `requires` is rendered."""
    expires_at = _expiry(requires.expires_in, walk.world.now)
    return tuple(
        NewApproval(
            id=approval_id(made_of),
            request_id=request_id(made_of),
            entity_type=None,
            entity_id=None,
            approver_role=role,
            approver_id=None,
            reason=reason,
            expires_at=expires_at,
        )
        for role, made_of in zip(_roles(requires), _digests(place, walk), strict=False)
    )


def first_needed_id(place: Place, walk: Walk) -> str:
    """Return the id of the first approval that a block will need, for the texts of its list."""
    return str(approval_id(next(_digests(place, walk))))


def _digests(place: Place, walk: Walk) -> Iterator[bytes]:
    number = 0
    while True:
        yield digest(walk.world, place.path, place.visit, f"needed {number}")
        number += 1


def _roles(requires: Requires) -> list[str]:
    """Return whom to ask: one of each role, and as many as are needed."""
    others = max(requires.approvals or 1, 1) - len(requires.roles)
    return [*requires.roles, *[requires.role or ROLE] * others]


def _fitting(name: str, text: str | None, room: int) -> str | None:
    """Return a text for a column; one that was cut would name somebody else."""
    if text is not None and len(text) > room:
        raise Fault(f"{name} is longer than {room} characters")
    masked: str | None = mask_secrets(text)
    return masked


def _approver(task: Task) -> UUID | None:
    text = task.text("approver_id")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Fault(f"approver_id is no UUID: {mask_secrets(text)}") from None


def _expiry(text: str | None, now: datetime) -> datetime | None:
    """Return when an approval expires; what is no duration counts as not given."""
    delay = seconds(text)
    try:
        return None if delay is None else now + timedelta(seconds=delay)
    except OverflowError:
        return None


def _shown(approval: NewApproval) -> dict[str, Json]:
    return shown(
        id=str(approval.id),
        request_id=approval.request_id,
        entity=approval.entity_type,
        entity_id=approval.entity_id,
        approver_role=approval.approver_role,
        approver_id=approval.approver_id and str(approval.approver_id),
        reason=approval.reason,
        expires_at=approval.expires_at and approval.expires_at.isoformat(),
    )
