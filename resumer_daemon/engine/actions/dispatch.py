"""Run a list of actions in order, until one fails."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from resumer_daemon.engine.actions.approval import create_approval_request, first_required_id
from resumer_daemon.engine.actions.base import ActionFailed, Task, recordable
from resumer_daemon.engine.actions.outgoing import create_record, notify, update_record, webhook
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import StepProgress
from resumer_daemon.engine.step_result import UNFINISHED, StepFailed, StepIncomplete, output
from resumer_daemon.workflow.definition import ActionStep, ExecuteStep
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.values import Json

RunAction: TypeAlias = Callable[[Task], dict[str, Json] | None]


def run_action(task: Task) -> dict[str, Json] | None:
    """Run an action. Return its rendered parameters, None while its effect has no result.

    Raises:
        ActionFailed: It failed, and may be repeated.
        StepError: It failed, and repeating it would change nothing.
    """
    action = _ACTIONS.get(task.action.type)
    if action is None:
        raise StepError(f"unknown action type: {task.action.type or 'the type is missing'}")
    return action(task)


def _log(task: Task) -> dict[str, Json]:
    return recordable(message=task.text("message"))


_ACTIONS: Final[Mapping[str, RunAction]] = {
    "log": _log,
    "notify": notify,
    "webhook": webhook,
    "http_request": webhook,
    "create_record": create_record,
    "update_record": update_record,
    "create_approval_request": create_approval_request,
}


def run_actions(
    step: ActionStep | ExecuteStep, scope: Scope, run: Run, progress: StepProgress
) -> StepFailed | StepIncomplete | None:
    """Run the remaining actions of the list. None if all are done."""
    for index in range(len(progress.results), len(step.execute)):
        action = step.execute[index]
        names = run.template_names(step, _approval_id(step, scope, run, progress))
        task = Task(action, index, step, scope, run, progress, names)
        try:
            done = run_action(task)
        except (StepError, ActionFailed) as failure:
            _keep_unresolved(task)
            entry = _entry(task, failure)
            if not action.continue_on_error and run.inputs.action_errors == "fail":
                return _failed(step, progress, entry, failure)
            progress.pending = None
        else:
            _keep_unresolved(task)
            if done is None:
                return UNFINISHED
            entry = {"type": action.type, "success": True, "error": None, **done}
        progress.results += (entry,)
    return None


def list_output(progress: StepProgress) -> dict[str, Json]:
    """Return the output of the list for the record of its step."""
    return {"execute_results": list(progress.results)} if progress.results else {}


def _approval_id(
    step: ActionStep | ExecuteStep, scope: Scope, run: Run, progress: StepProgress
) -> str | None:
    """Return the last approval of the list, else the id that its block will create."""
    if progress.approval_ids:
        return progress.approval_ids[-1]
    pauses = step.type == "action" and step.action == "block" and step.requires is not None
    if pauses and not any(action.type == "create_approval_request" for action in step.execute):
        return first_required_id(scope, run)
    return None


def _keep_unresolved(task: Task) -> None:
    if task.unresolved:
        task.progress.unresolved += tuple(sorted(task.unresolved))


def _entry(task: Task, failure: StepError | ActionFailed) -> dict[str, Json]:
    entry: dict[str, Json] = {"type": task.action.type, "success": False, "error": str(failure)}
    return entry | failure.shown if isinstance(failure, ActionFailed) else entry


def _failed(
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
