"""A step that was not understood: it fails when it is reached, or stops the execution there."""

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.verdict import UNFINISHED, Unfinished
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import BrokenStep
from resumer_daemon.workflow.errors import Fault

GATE = "gate_not_understood"
"""The cause of an incident that a correction of the workflow's definition ends."""


def run_invalid(step: BrokenStep, _place: Place, walk: Walk, _progress: Progress) -> Unfinished:
    """Fail; where a gate is not understood, stop for a person, for a failure may have a way on.

    Raises:
        Fault: What is wrong with the step.
    """
    if not step.gate:
        raise Fault(step.error)
    walk.incident = walk.incident or Incident(
        "gate_not_understood",
        f"step {step.id}: {step.error}",
        "correct the definition of the workflow, then retry: it goes on with the corrected one",
    )
    walk.yielded = True  # nor may another branch pass in its place
    return UNFINISHED
