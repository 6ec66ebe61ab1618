"""Steps that hold no other step: action, condition, execute, and a step that was not understood."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from resumer_daemon.engine.actions.approval import REASON, needed_approvals, rendered
from resumer_daemon.engine.actions.dispatch import results, run_list
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
from resumer_daemon.workflow.conditions import evaluate
from resumer_daemon.workflow.definition import (
    ActionStep,
    ConditionStep,
    ExecuteStep,
    InvalidStep,
    Requires,
)
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render_text
from resumer_daemon.workflow.values import Json

_RESULTS: Final = {"allow": "allowed", "block": "blocked", "execute": None}
_REASONS: Final = {
    "allow": "Action allowed by workflow",
    "block": "Action blocked by workflow",
    "execute": None,
}


def run_action(step: ActionStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Carry out the list, then allow, block, or wait for the approval."""
    if progress.wait_result is not None:
        return _answered(step, scope, progress.wait_result, progress.note)
    if step.execute:
        stopped = run_list(step, scope, run, progress)
        if stopped is not None:
            return stopped
    reason, unresolved = _reason(step, scope, run, progress)
    requires = step.requires and rendered(step.requires, step, scope, run, unresolved)
    done = output(step.action, True, reason, results(progress), (*progress.unresolved, *unresolved))
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
    asks: tuple[NewApproval, ...] = ()
    if not progress.approval_ids:
        why = done["reason"] if step.reason else REASON
        asks = needed_approvals(requires, why, scope, run)
    asked = tuple(UUID(each) for each in progress.approval_ids) or tuple(each.id for each in asks)
    branch = Branch(
        scope.branch,
        step.id,
        "approval_required",
        scope.next_steps(approval_next_steps(step, scope.following)),
        _needed(requires, asked, asks, progress),
        asked,
        progress.began,
    )
    return StepPaused(branch, done, asks)


def _needed(
    requires: Requires, asked: Sequence[UUID], asks: Sequence[NewApproval], progress: StepProgress
) -> WaitCondition:
    """Return what decides: where nothing else is said, as many approvals as the step asked for."""
    if not requires.roles:
        return WaitCondition(requires.approvals or len(asked))
    asked_of = {str(each.id): each.approver_role for each in asks}
    asked_of |= {
        done["id"]: done["approver_role"]
        for done in progress.results
        if isinstance(done, dict) and done.get("id") in progress.approval_ids
    }
    return WaitCondition(requires.approvals, requires.roles, created_for=asked_of)


def _answered(step: ActionStep, scope: Scope, reply: WaitResult, note: str | None) -> StepResult:
    """Go on inside of a container, where a refused approval is a failure unless a way takes it."""
    ways = approval_next_steps(step, scope.following)
    if reply == "approved":
        return StepPassed(None, ways.approved)
    way = ways.rejected if reply == "rejected" else ways.expired
    if scope.flows and way is not None:
        return StepPassed(None, way)
    error = "approval rejected" if reply == "rejected" else "approval expired"
    if note:
        error = f"{error}: {note}"
    return StepFailed(error, output("block", False, note))


def _reason(
    step: ActionStep, scope: Scope, run: Run, progress: StepProgress
) -> tuple[str | None, set[str]]:
    """Return the reason rendered, and what leads nowhere in it."""
    if step.reason is None:
        return _REASONS[step.action], set()
    unresolved: set[str] = set()
    names = run.template_names(step, progress.approval_ids[-1] if progress.approval_ids else None)
    reason = mask_secrets(render_text(step.reason, scope.context, names, unresolved))
    return reason or _REASONS[step.action], unresolved


def run_condition(step: ConditionStep, scope: Scope, run: Run, _: StepProgress) -> StepPassed:
    """Answer the condition.

    Raises:
        Fault: It cannot be answered.
    """
    holds = evaluate(condition_of(step, run.inputs.rules), scope.context)
    answer = output("condition", True, None, {"result": holds})
    return StepPassed(answer, step.on_true if holds else step.on_false)


def run_execute(step: ExecuteStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Carry out the list.

    Raises:
        Fault: There is none.
    """
    if not step.execute:
        raise StepError("execute step has no actions")
    stopped = run_list(step, scope, run, progress)
    if stopped is not None:
        return stopped
    done = output("execute", True, None, results(progress), progress.unresolved)
    return StepPassed(done, step.next)


GATE = "gate_not_understood"
"""The cause of an incident that a correction of the workflow's definition ends."""


def run_invalid(
    step: InvalidStep, _place: Scope, run: Run, _progress: StepProgress
) -> StepIncomplete:
    """Fail; where a gate is not understood, stop for a person, for a failure may have a way on.

    Raises:
        Fault: What is wrong with the step.
    """
    if not step.gate:
        raise StepError(step.error)
    run.halt(
        Incident(
            "gate_not_understood",
            f"step {step.id}: {step.error}",
            "correct the definition of the workflow, then retry: it goes on with the corrected one",
        )
    )
    run.yielded = True  # so that no other branch passes instead of this one
    return UNFINISHED
