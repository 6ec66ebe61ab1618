"""The results of one attempt of a step: closed types, used only in the engine."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from msgspec import field

from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.state import Branch, Result
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.values import Json


class StepPassed(NamedTuple):
    """The step is done. `next_step` is the next step, None if the flow ends.

    `output` is None if the step was recorded when it paused. `result` is set by a deciding action.
    """

    output: dict[str, Json] | None
    next_step: str | None = None
    result: Result | None = None
    reason: str | None = None


class StepFailed(Frozen):
    """The attempt failed. `final`: another attempt cannot succeed."""

    error: str
    output: dict[str, Json]
    final: bool = True
    retry_class: str | None = None


class StepPaused(Frozen):
    """The step waits from now on. `new_approvals` are the approvals still to create."""

    branch: Branch
    output: dict[str, Json]
    new_approvals: tuple[NewApproval, ...] = field(default=())


class StepIncomplete(Frozen):
    """The step needs results of effects, waits in a branch, or lets the daemon record first."""


UNFINISHED: Final = StepIncomplete()

StepResult: TypeAlias = StepPassed | StepFailed | StepPaused | StepIncomplete
Ended: TypeAlias = StepPassed | StepFailed | StepIncomplete


def output(
    action: str,
    success: bool,
    reason: str | None = None,
    data: dict[str, Json] | None = None,
    unresolved: tuple[str, ...] = (),
) -> dict[str, Json]:
    """Return the value of the column `output`."""
    column: dict[str, Json] = {
        "action": action, "success": success, "reason": reason, "data": data or {}
    }  # fmt: skip
    if unresolved:
        column["unresolved"] = sorted(set(unresolved))
    return column


def failure(
    step: Step, results: Sequence[Json] = (), unresolved: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Return the output of a failed step, with the results of its actions so far."""
    action = step.action if step.type == "action" else step.type
    data = {"execute_results": list(results)} if results else None
    return output(action, False, None, data, unresolved)
