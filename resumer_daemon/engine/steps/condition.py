"""A condition: a question with two ways out. It is never repeated: its answer would not change."""

from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.rules import condition_of
from resumer_daemon.engine.verdict import Passed, output
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.conditions import evaluate
from resumer_daemon.workflow.definition import ConditionStep


def run_condition(step: ConditionStep, place: Place, walk: Walk, _: Progress) -> Passed:
    """Answer the condition.

    Raises:
        Fault: It cannot be answered.
    """
    holds = evaluate(condition_of(step, walk.world.rules), place.context)
    answer = output("condition", True, None, {"result": holds})
    return Passed(answer, step.on_true if holds else step.on_false)
