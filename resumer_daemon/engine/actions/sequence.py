"""An `execute` list: one action after the other, until one fails."""

from resumer_daemon.engine.actions import carry_out
from resumer_daemon.engine.actions.approval import first_needed_id
from resumer_daemon.engine.actions.task import ActionFailed, Task
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.verdict import UNFINISHED, Broken, Unfinished, output
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ActionStep, ExecuteStep
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.values import Json


def run_list(
    step: ActionStep | ExecuteStep, place: Place, walk: Walk, progress: Progress
) -> Broken | Unfinished | None:
    """Carry out what is not done of the list; None when all of it is."""
    for index in range(len(progress.results), len(step.execute)):
        act = step.execute[index]
        names = walk.names(step, _approval_id(step, place, walk, progress))
        task = Task(act, index, step, place, walk, progress, names)
        try:
            done = carry_out(task)
        except (Fault, ActionFailed) as failure:
            _remember(task)
            entry = _entry(task, failure)
            if not act.continue_on_error and walk.world.action_errors == "fail":
                return _broken(step, progress, entry, failure)
            progress.pending = None
        else:
            _remember(task)
            if done is None:
                return UNFINISHED
            entry = {"type": act.type, "success": True, "error": None, **done}
        progress.results += (entry,)
    return None


def results(progress: Progress) -> dict[str, Json]:
    """Return the part of a step's output that tells of its list."""
    return {"execute_results": list(progress.results)} if progress.results else {}


def _approval_id(
    step: ActionStep | ExecuteStep, place: Place, walk: Walk, progress: Progress
) -> str | None:
    """Return the latest approval of the list, else the one that the block will create after it."""
    if progress.asked:
        return progress.asked[-1]
    pauses = step.type == "action" and step.action == "block" and step.requires is not None
    if pauses and not any(act.type == "create_approval_request" for act in step.execute):
        return first_needed_id(place, walk)
    return None


def _remember(task: Task) -> None:
    if task.unresolved:
        task.progress.unresolved += tuple(sorted(task.unresolved))


def _entry(task: Task, failure: Fault | ActionFailed) -> dict[str, Json]:
    entry: dict[str, Json] = {"type": task.act.type, "success": False, "error": str(failure)}
    return entry | failure.shown if isinstance(failure, ActionFailed) else entry


def _broken(
    step: ActionStep | ExecuteStep,
    progress: Progress,
    entry: dict[str, Json],
    failure: Fault | ActionFailed,
) -> Broken:
    action = step.action if step.type == "action" else "execute"
    data = {"execute_results": [*progress.results, entry]}
    failed = output(action, False, None, data, progress.unresolved)
    match failure:
        case ActionFailed():
            return Broken(str(failure), failed, failure.final, failure.retry_class)
        case Fault():
            return Broken(str(failure), failed)
