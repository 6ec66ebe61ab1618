"""A step that was not understood: it fails when it is reached."""

from typing import NoReturn

from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import BrokenStep
from resumer_daemon.workflow.faults import Fault


def run(step: BrokenStep, _place: Place, _walk: Walk, _progress: Progress) -> NoReturn:
    """Fail.

    Raises:
        Fault: Always, with what is wrong with the step.
    """
    raise Fault(step.error)
