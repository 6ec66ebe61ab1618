"""The spellings of an action step, and of the approval that its block may require."""

from typing import Any, Final, Literal

from resumer_daemon.workflow.definition import ActionStep, Requires
from resumer_daemon.workflow.reading import NotUnderstood, Reader
from resumer_daemon.workflow.spelling_acts import APPROVAL, acts
from resumer_daemon.workflow.values import Json

REQUIRE_APPROVAL: Final = "require_approval"
"""The type, of a step or of its action, of a block that requires an approval."""

MOST_APPROVALS: Final = 100
"""How many approvals a block may ask for, as each becomes a row."""


def action_step(step: Reader, common: dict[str, Any]) -> ActionStep:
    """Read a step of type `action` or `require_approval`.

    Raises:
        NotUnderstood: A part of it is not understood.
    """
    action = _action(step)
    written = step.value("action") if action is step else action.own("type", "action")
    asks = REQUIRE_APPROVAL in (written, step.value("type"))
    decision = "block" if asks else _decision(step, written)
    execute = acts(action)
    asks = asks or any(act.type == APPROVAL for act in execute)
    return ActionStep(
        action=decision,
        reason=action.text("reason"),
        requires=_requires(step, action, asks) if decision == "block" else None,
        execute=execute,
        on_true=step.way("on_true"),
        on_false=step.way("on_false", "on_reject"),
        on_timeout=step.way("on_timeout", "on_expired"),
        **common,
    )


def _action(step: Reader) -> Reader:
    """Return the reader of the action: the object it is, or the step that it stands on."""
    return step.inner("action", beneath=step) if isinstance(step.value("action"), dict) else step


def _decision(step: Reader, written: Json) -> Literal["allow", "block", "execute"]:
    match written:
        case "allow":
            return "allow"
        case "block":
            return "block"
        case "execute":
            return "execute"
    expected = f"allow, block, execute or {REQUIRE_APPROVAL}"
    raise NotUnderstood(f"{step.path}.action", written, expected)


def _requires(step: Reader, action: Reader, asks: bool) -> Requires | None:
    """Return the approval that a block requires, if it says so in any of the ways there are."""
    on_step = step.inner("requires"), step.inner("metadata")
    requires = action.inner("requires", beneath=on_step[0])
    metadata = action.inner("metadata", beneath=on_step[1])
    asks = asks or any(reader.own("type") == "approval" for reader in (requires, on_step[0]))
    asks = asks or any(reader.own("approval_required") is True for reader in (metadata, on_step[1]))
    if not asks:
        return None
    expires_in = requires.value("timeout", "expires_in") or metadata.value("auto_expire")
    return Requires(
        role=requires.text("role", "approver_role") or metadata.text("approver_role"),
        # What is no text is no duration, and counts as not given.
        expires_in=expires_in if isinstance(expires_in, str) else None,
        approvals=_approvals(requires),
        roles=_roles(requires),
    )


def _approvals(requires: Reader) -> int | None:
    number = requires.whole("approvals")
    if number is None or 1 <= number <= MOST_APPROVALS:
        return number
    raise requires.wrong("approvals", f"a number from 1 to {MOST_APPROVALS}")


def _roles(requires: Reader) -> tuple[str, ...]:
    roles = requires.texts("roles")
    if len(roles) > MOST_APPROVALS:
        raise requires.wrong("roles", f"at most {MOST_APPROVALS} roles")
    return roles
