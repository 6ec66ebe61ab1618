"""Run an `execute` list: one action after the other, until one fails."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from resumer_daemon.engine.actions.approval import create_approval_request, first_needed_id
from resumer_daemon.engine.actions.base import ActionFailed, Task, shown
from resumer_daemon.engine.actions.outgoing import create_record, notify, update_record, webhook
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import StepProgress
from resumer_daemon.engine.step_result import UNFINISHED, StepFailed, StepIncomplete, output
from resumer_daemon.workflow.definition import ActionStep, ExecuteStep
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.values import Json

RunAction: TypeAlias = Callable[[Task], dict[str, Json] | None]


def carry_out(task: Task) -> dict[str, Json] | None:
    """Do an action and return its rendered parameters; None while its effect has no result.

    Raises:
        ActionFailed: It has failed, and may be repeated.
        Fault: It has failed, and repeating it would change nothing.
    """
    action = _ACTIONS.get(task.action.type)
    if action is None:
        raise StepError(f"unknown action type: {task.action.type or 'no type is given'}")
    return action(task)


def _log(task: Task) -> dict[str, Json]:
    return shown(message=task.text("message"))


_ACTIONS: Final[Mapping[str, RunAction]] = {
    "log": _log,
    "notify": notify,
    "webhook": webhook,
    "http_request": webhook,
    "create_record": create_record,
    "update_record": update_record,
    "create_approval_request": create_approval_request,
}


def run_list(
    step: ActionStep | ExecuteStep, scope: Scope, run: Run, progress: StepProgress
) -> StepFailed | StepIncomplete | None:
    """Carry out what is not done of the list; None when all of it is."""
    for index in range(len(progress.results), len(step.execute)):
        action = step.execute[index]
        names = run.template_names(step, _approval_id(step, scope, run, progress))
        task = Task(action, index, step, scope, run, progress, names)
        try:
            done = carry_out(task)
        except (StepError, ActionFailed) as failure:
            _remember(task)
            entry = _entry(task, failure)
            if not action.continue_on_error and run.inputs.action_errors == "fail":
                return _broken(step, progress, entry, failure)
            progress.pending = None
        else:
            _remember(task)
            if done is None:
                return UNFINISHED
            entry = {"type": action.type, "success": True, "error": None, **done}
        progress.results += (entry,)
    return None


def results(progress: StepProgress) -> dict[str, Json]:
    """Return the part of a step's output that tells of its list."""
    return {"execute_results": list(progress.results)} if progress.results else {}


def _approval_id(
    step: ActionStep | ExecuteStep, scope: Scope, run: Run, progress: StepProgress
) -> str | None:
    """Return the latest approval of the list, else the one that the block will create after it."""
    if progress.approval_ids:
        return progress.approval_ids[-1]
    pauses = step.type == "action" and step.action == "block" and step.requires is not None
    if pauses and not any(action.type == "create_approval_request" for action in step.execute):
        return first_needed_id(scope, run)
    return None


def _remember(task: Task) -> None:
    if task.unresolved:
        task.progress.unresolved += tuple(sorted(task.unresolved))


def _entry(task: Task, failure: StepError | ActionFailed) -> dict[str, Json]:
    entry: dict[str, Json] = {"type": task.action.type, "success": False, "error": str(failure)}
    return entry | failure.shown if isinstance(failure, ActionFailed) else entry


def _broken(
    step: ActionStep | ExecuteStep,
    progress: StepProgress,
    entry: dict[str, Json],
    failure: StepError | ActionFailed,
) -> StepFailed:
    action = step.action if step.type == "action" else "execute"
    data = {"execute_results": [*progress.results, entry]}
    failed = output(action, False, None, data, progress.unresolved)
    match failure:
        case ActionFailed():
            return StepFailed(str(failure), failed, failure.final, failure.retry_class)
        case StepError():
            return StepFailed(str(failure), failed)
