"""An `execute` step: its list, and on."""

from resumer_daemon.engine.actions.sequence import results, run_list
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.verdict import Passed, Verdict, output
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ExecuteStep
from resumer_daemon.workflow.errors import Fault


def run_execute(step: ExecuteStep, place: Place, walk: Walk, progress: Progress) -> Verdict:
    """Carry out the list.

    Raises:
        Fault: There is none.
    """
    if not step.execute:
        raise Fault("execute step has no actions")
    stopped = run_list(step, place, walk, progress)
    if stopped is not None:
        return stopped
    done = output("execute", True, None, results(progress), progress.unresolved)
    return Passed(done, step.next)
