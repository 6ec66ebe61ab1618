"""Approval requests: from an action, or from a block that needs them."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from resumer_daemon.engine.actions.base import Task, recordable
from resumer_daemon.engine.identifiers import approval_id, digest, request_id
from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.runtime import Run, Scope, time_after
from resumer_daemon.workflow.definition import ActionStep, Requires
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render, render_text
from resumer_daemon.workflow.values import Json

ENTITY = "execution"  # the default entity, because the service requires a text
ROLE = "manager"
REASON = "Approval required by workflow"


def create_approval_request(task: Task) -> dict[str, Json]:
    """Create an approval request."""
    made_of = task.digest()
    approval = NewApproval(
        id=approval_id(made_of),
        request_id=request_id(made_of),
        entity_type=_checked_length("entity", task.needed("entity"), 100) or ENTITY,
        entity_id=_checked_length("entity_id", task.text("entity_id"), 255)
        or task.run.inputs.execution_key,
        approver_role=_checked_length("approver_role", task.text("approver_role"), 100) or ROLE,
        approver_id=_user(task, "approver_id"),
        reason=mask_secrets(task.text("reason")) or REASON,
        requester_id=_user(task, "requester_id"),
        expires_at=_expiry(_deadline(task), task.run.inputs.now),
    )
    task.run.add_write(approval)
    task.progress.approval_ids += (str(approval.id),)
    return _recordable(approval)


def render_requires(
    requires: Requires, step: ActionStep, scope: Scope, run: Run, unresolved: set[str]
) -> Requires:
    """Return the requirements of a block with rendered texts.

    Raises:
        StepError: A role is too long, or the timeout leads nowhere.
    """
    names = run.template_names(step, None)
    expires_in = render(requires.expires_in, scope.context, names, unresolved)
    if requires.expires_in is not None and expires_in is None:
        raise StepError(f"the timeout of an approval has no value: {requires.expires_in}")

    def text(written: str | None) -> str:
        return render_text(written or "", scope.context, names, unresolved)

    return Requires(
        role=_checked_length("role", text(requires.role), 100) or ROLE,
        expires_in=expires_in,
        approvals=requires.approvals,
        roles=tuple(_checked_length("role", text(role), 100) or ROLE for role in requires.roles),
    )


def required_approvals(
    requires: Requires, reason: str, scope: Scope, run: Run
) -> tuple[NewApproval, ...]:
    """Return the approvals of a block whose list created none. `requires` is rendered."""
    expires_at = _expiry(requires.expires_in, run.inputs.now)
    return tuple(
        NewApproval(
            id=approval_id(made_of),
            request_id=request_id(made_of),
            entity_type=ENTITY,
            entity_id=run.inputs.execution_key,
            approver_role=role,
            approver_id=None,
            requester_id=None,
            reason=reason,
            expires_at=expires_at,
        )
        for role, made_of in zip(_roles(requires), _digests(scope, run), strict=False)
    )


def first_required_id(scope: Scope, run: Run) -> str:
    """Return the id of the first approval of a block, for the texts of its list."""
    return str(approval_id(next(_digests(scope, run))))


def _digests(scope: Scope, run: Run) -> Iterator[bytes]:
    number = 0
    while True:
        yield digest(run.inputs, scope.path, scope.visit, f"needed {number}")
        number += 1


def _roles(requires: Requires) -> list[str]:
    """Return the roles to request approvals from: each named role, then the default role."""
    others = max(requires.approvals or 1, 1) - len(requires.roles)
    return [*requires.roles, *[requires.role or ROLE] * others]


def _checked_length(name: str, text: str | None, room: int) -> str | None:
    """Return a text for a column. A truncated one could name another person or role."""
    if text is not None and len(text) > room:
        raise StepError(f"{name} is longer than {room} characters")
    masked: str | None = mask_secrets(text)
    return masked


def _user(task: Task, name: str) -> UUID | None:
    text = task.text(name)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise StepError(f"{name} is not a UUID: {mask_secrets(text)}") from None


def _deadline(task: Task) -> Json:
    """Return the duration of an approval, from the action or else from its block.

    Raises:
        StepError: It leads nowhere.
    """
    given = task.action.params.get("expires_in")
    if given in (None, ""):
        requires = task.step.requires if task.step.type == "action" else None
        given = requires.expires_in if requires is not None else None
    if given is None:
        return None
    found = render(given, task.scope.context, task.names, task.unresolved)
    if found is None:
        raise StepError(f"expires_in has no value: {given}")
    return found


def _expiry(expires_in: Json, now: datetime) -> datetime | None:
    """Return when an approval expires, None if it never does.

    Raises:
        StepError: The duration is invalid.
    """
    return None if expires_in is None else time_after(now, expires_in)


def _recordable(approval: NewApproval) -> dict[str, Json]:
    return recordable(
        id=str(approval.id),
        request_id=approval.request_id,
        entity=approval.entity_type,
        entity_id=approval.entity_id,
        approver_role=approval.approver_role,
        approver_id=approval.approver_id and str(approval.approver_id),
        requester_id=approval.requester_id and str(approval.requester_id),
        reason=approval.reason,
        expires_at=approval.expires_at and approval.expires_at.isoformat(),
    )
