"""Take over a pause that another program wrote, from its pointers and its steps.

The existing service does not pause at an approval. It completes the execution as blocked. If the
position is ambiguous, the pause becomes an incident.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine.inputs import Approval, ClaimedExecution
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.plan import PauseToOpen, PinnedDefinition
from resumer_daemon.engine.state import State, WaitCondition, approval_next_steps
from resumer_daemon.workflow.definition import (
    ActionStep,
    Definition,
    ForeachStep,
    ParallelStep,
    Requires,
    Step,
)

GRACE = timedelta(seconds=5)  # another program may commit the position a little later
SECOND_LOOK = "second_look"  # the decision of an adopt request that is the second look
CREATES = "create_approval_request"


def adopt_pause(
    claimed: ClaimedExecution,
    pinned: PinnedDefinition,
    last_step: str | None,
    used: frozenset[UUID],
) -> PauseToOpen | Incident | None:
    """Return the record of a pause for an approval, or an incident.

    `used` are approvals of earlier pauses. None: it is not a pause, the service blocked it for
    good.
    """
    step = _blocking_step(pinned.definition, claimed, last_step)
    last = pinned.definition.step(last_step) if last_step else None
    for_good = isinstance(last, ActionStep) and last.action == "block"
    if step is None and claimed.blocked_by_service and (for_good or not claimed.approvals):
        return None
    if step is None and for_good and _paused_by_trigger(claimed):
        return None
    if step is None:
        return Incident(
            "pause_without_pointer",
            f"another program paused it at a step without an approval (last: {last_step})",
            "set paused_step_id, or add the step to step_executions if that is a uuid, then retry",
        )
    next_steps = approval_next_steps(step, pinned.definition.following(step.id))
    if claimed.pointers[1]:  # the next step that it wrote overrides the definition
        next_steps = replace(next_steps, approved=claimed.pointers[1])
    theirs = tuple(a for a in claimed.approvals if a.id not in used)
    asked = tuple(approval.id for approval in theirs)
    requires = step.requires or Requires()
    # No time left may be a clock of another zone. The program that set the timeout applies it.
    left = claimed.time_left if claimed.time_left is not None and claimed.time_left > 0 else None
    return PauseToOpen(
        claimed.last_pause + 1,
        "approval_required",
        step.id,
        next_steps,
        _approval_condition(step, requires, theirs),
        State(
            step=step.id, visits={step.id: 1}, awaits="approval", time_left=left, allowed_time=left
        ),
        pinned.sha256,
        approval_ids=asked,
        prior_approval_ids=tuple(used),
    )


def _approval_condition(
    step: ActionStep, requires: Requires, there: Sequence[Approval]
) -> WaitCondition:
    """Return the approvals that are needed. Another program may add some later."""
    if requires.roles:
        asked_of = {str(approval.id): approval.approver_role for approval in there}
        return WaitCondition(requires.approvals, requires.roles, created_for=asked_of)
    if requires.approvals is not None:
        return WaitCondition(requires.approvals)
    asks = max(1, sum(action.type == CREATES for action in step.execute))
    return WaitCondition(max(asks, len(there)), minimum=asks)


def _blocking_step(
    definition: Definition, claimed: ClaimedExecution, last_step: str | None
) -> ActionStep | None:
    """Return the step that waits: by its name, by its next step, or as the only one."""
    pointer, way_on = claimed.pointers
    for name in (pointer, last_step):
        step = definition.step(name) if name else None
        if isinstance(step, ActionStep) and step.requires is not None:
            return step
    if pointer is not None:
        return None
    asking = [s for s in definition.steps if isinstance(s, ActionStep) and s.requires is not None]
    if way_on is not None:
        asking = [
            s
            for s in asking
            if approval_next_steps(s, definition.following(s.id)).approved == way_on
        ]
        return asking[0] if len(asking) == 1 else None
    last = definition.step(last_step) if last_step else None
    if not _waits_for_approval(claimed) or isinstance(last, ActionStep):
        return None  # no sign of an approval, or its last step needs none
    can_ask = list(_approval_steps(definition.steps))
    return asking[0] if can_ask == asking and len(asking) == 1 else None


def _paused_by_trigger(claimed: ClaimedExecution) -> bool:
    """Tell whether the row looks as the trigger leaves it after a blocked end."""
    return (
        claimed.status == "paused"
        and claimed.pause is None
        and claimed.last_pause == 0
        and claimed.paused_reason == "approval_required"
        and claimed.pointers == (None, None)
        and bool(claimed.approvals)
    )


def _waits_for_approval(claimed: ClaimedExecution) -> bool:
    says_so = claimed.paused_reason == "approval_required"
    return says_so or (claimed.blocked_by_service and bool(claimed.approvals))


def _approval_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield each step that creates approvals, also inside containers."""
    for step in steps:
        match step:
            case ParallelStep() | ForeachStep():
                yield from _approval_steps(step.steps)
            case ActionStep(requires=requires) if requires is not None:
                yield step
            case _ if any(action.type == CREATES for action in getattr(step, "execute", ())):
                yield step
