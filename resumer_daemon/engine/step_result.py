"""What one attempt of a step results in: closed types, used within the engine only."""

from collections.abc import Sequence
from dataclasses import field
from typing import Final, NamedTuple, TypeAlias

from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.state import Branch, Result
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.values import Json


class StepPassed(NamedTuple):
    """The step is done; `way` names the next one, None where the flow ends.

    `output` None: its record was written when it paused. `result` is of a deciding action.
    """

    output: dict[str, Json] | None
    way: str | None = None
    result: Result | None = None
    reason: str | None = None


@frozen
class StepFailed:
    """The try has failed. `final`: repeating it would change nothing."""

    error: str
    output: dict[str, Json]
    final: bool = True
    retry_class: str | None = None


@frozen
class StepPaused:
    """The step is done as far as it can be, and waits. `asks` are the approvals still to create."""

    branch: Branch
    output: dict[str, Json]
    asks: tuple[NewApproval, ...] = field(default=())


@frozen
class StepIncomplete:
    """The step needs results of effects, waits for an answer, or yields to the shell."""


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
    """Return what the column `output` holds."""
    held: dict[str, Json] = {
        "action": action, "success": success, "reason": reason, "data": data or {}
    }  # fmt: skip
    if unresolved:
        held["unresolved"] = sorted(set(unresolved))
    return held


def failure(
    step: Step, results: Sequence[Json] = (), unresolved: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Return the output of a step that has failed, with what was done of its list."""
    action = step.action if step.type == "action" else step.type
    data = {"execute_results": list(results)} if results else None
    return output(action, False, None, data, unresolved)
