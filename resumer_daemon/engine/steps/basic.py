"""Steps without members: action, condition, execute, and invalid steps."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from resumer_daemon.engine.actions.approval import REASON, render_requires, required_approvals
from resumer_daemon.engine.actions.dispatch import list_output, run_actions
from resumer_daemon.engine.outcome import Incident, NewApproval
from resumer_daemon.engine.preload import condition_of
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import (
    Branch,
    StepProgress,
    WaitCondition,
    WaitResult,
    approval_next_steps,
)
from resumer_daemon.engine.step_result import (
    UNFINISHED,
    StepFailed,
    StepIncomplete,
    StepPassed,
    StepPaused,
    StepResult,
    output,
)
from resumer_daemon.workflow.conditions import Comparison, decide
from resumer_daemon.workflow.definition import (
    ActionStep,
    ConditionStep,
    ExecuteStep,
    InvalidStep,
    Requires,
)
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.reader import describe
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render_text
from resumer_daemon.workflow.values import Json

COMPARISONS: Final = 10
"""The most comparisons of a condition that are recorded. The last of them decided."""

BRIEF_TEXT: Final = 60
"""The longest text, in characters, that is recorded as it was compared."""

BRIEF_LIST: Final = 10
"""The longest list, in members, that is recorded as it was compared."""

_RESULTS: Final = {"allow": "allowed", "block": "blocked", "execute": None}
_REASONS: Final = {
    "allow": "Action allowed by workflow",
    "block": "Action blocked by workflow",
    "execute": None,
}


def run_action(step: ActionStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Run the actions of the step, then allow, block, or wait for an approval."""
    if progress.wait_result is not None:
        return _after_wait(step, scope, progress.wait_result, progress.note)
    if step.execute:
        stopped = run_actions(step, scope, run, progress)
        if stopped is not None:
            return stopped
    reason, unresolved = _reason(step, scope, run, progress)
    requires = step.requires and render_requires(step.requires, step, scope, run, unresolved)
    done = output(
        step.action, True, reason, list_output(progress), (*progress.unresolved, *unresolved)
    )
    if requires is not None:
        return _pause(step, requires, done, scope, run, progress)
    return StepPassed(done, step.next, _RESULTS[step.action], reason)


def _pause(
    step: ActionStep,
    requires: Requires,
    done: dict[str, Json],
    scope: Scope,
    run: Run,
    progress: StepProgress,
) -> StepPaused:
    new_approvals: tuple[NewApproval, ...] = ()
    if not progress.approval_ids:
        why = done["reason"] if step.reason else REASON
        new_approvals = required_approvals(requires, why, scope, run)
    approval_ids = tuple(UUID(each) for each in progress.approval_ids) or tuple(
        each.id for each in new_approvals
    )
    branch = Branch(
        scope.branch,
        step.id,
        "approval_required",
        scope.next_steps(approval_next_steps(step, scope.following)),
        _wait_condition(requires, approval_ids, new_approvals, progress),
        approval_ids,
        progress.began,
    )
    return StepPaused(branch, done, new_approvals)


def _wait_condition(
    requires: Requires,
    approval_ids: Sequence[UUID],
    new_approvals: Sequence[NewApproval],
    progress: StepProgress,
) -> WaitCondition:
    """Return the condition of the wait: by default all approvals that the step requested."""
    if not requires.roles:
        return WaitCondition(requires.approvals or len(approval_ids))
    asked_of = {str(each.id): each.approver_role for each in new_approvals}
    asked_of |= {
        done["id"]: done["approver_role"]
        for done in progress.results
        if isinstance(done, dict) and done.get("id") in progress.approval_ids
    }
    return WaitCondition(requires.approvals, requires.roles, created_for=asked_of)


def _after_wait(
    step: ActionStep, scope: Scope, wait_result: WaitResult, note: str | None
) -> StepResult:
    """Continue inside a container. A rejection is a failure unless a next step is followed."""
    next_steps = approval_next_steps(step, scope.following)
    if wait_result == "approved":
        return StepPassed(None, next_steps.approved)
    next_step = next_steps.rejected if wait_result == "rejected" else next_steps.expired
    if scope.flows and next_step is not None:
        return StepPassed(None, next_step)
    error = "approval rejected" if wait_result == "rejected" else "approval expired"
    if note:
        error = f"{error}: {note}"
    return StepFailed(error, output("block", False, note))


def _reason(
    step: ActionStep, scope: Scope, run: Run, progress: StepProgress
) -> tuple[str | None, set[str]]:
    """Return the rendered reason, and the references in it that lead nowhere."""
    if step.reason is None:
        return _REASONS[step.action], set()
    unresolved: set[str] = set()
    names = run.template_names(step, progress.approval_ids[-1] if progress.approval_ids else None)
    reason = mask_secrets(render_text(step.reason, scope.context, names, unresolved))
    return reason or _REASONS[step.action], unresolved


def run_condition(step: ConditionStep, scope: Scope, run: Run, _: StepProgress) -> StepPassed:
    """Evaluate the condition, and record what it compared.

    Raises:
        StepError: It cannot be evaluated.
    """
    holds, seen = decide(condition_of(step, run.inputs.rules), scope.context)
    compared = [_comparison(each) for each in seen[-COMPARISONS:]]
    answer = output("condition", True, None, {"result": holds, "comparisons": compared})
    return StepPassed(answer, step.on_true if holds else step.on_false)


def _comparison(seen: Comparison) -> dict[str, Json]:
    return {
        "field": seen.field,
        "operator": seen.operator,
        "value": _brief(seen.value),
        "actual": _brief(seen.actual),
        "holds": seen.holds,
    }


_PLAIN: Final = frozenset({int, Decimal, bool, type(None)})


def _brief(value: Json) -> Json:
    """Return a value as `show` prints it: a short text or list as it is, else a few words."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list) and len(value) <= BRIEF_LIST:
        return [_brief_scalar(member) for member in value]
    return _brief_scalar(value)


def _brief_scalar(value: Json) -> Json:
    if isinstance(value, list | dict) or (isinstance(value, str) and len(value) > BRIEF_TEXT):
        return describe(value)
    return value


def run_execute(step: ExecuteStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Run the actions of the step.

    Raises:
        StepError: There are none.
    """
    if not step.execute:
        raise StepError("execute step has no actions")
    stopped = run_actions(step, scope, run, progress)
    if stopped is not None:
        return stopped
    done = output("execute", True, None, list_output(progress), progress.unresolved)
    return StepPassed(done, step.next)


GATE = "gate_not_understood"
"""The cause of an incident that a correction of the workflow's definition ends."""


def run_invalid(
    step: InvalidStep, _place: Scope, run: Run, _progress: StepProgress
) -> StepIncomplete:
    """Fail, or halt if the step is a gate: a failure could continue at `on_error`.

    Raises:
        StepError: The problem with the step.
    """
    if not step.gate:
        raise StepError(step.error)
    run.halt(
        Incident(
            "gate_not_understood",
            f"step {step.id}: {step.error}",
            "correct the workflow's definition, then retry to continue with it",
        )
    )
    run.yielded = True  # so that no other branch passes instead of this one
    return UNFINISHED
