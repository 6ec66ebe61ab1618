"""Explained: what a recorded condition compared, seen again in the scope of its item."""

from collections.abc import Mapping

from resumer_daemon.engine.keys import segment
from resumer_daemon.engine.outcome import StepRecord
from resumer_daemon.engine.rules import condition_of
from resumer_daemon.engine.world import Rule
from resumer_daemon.workflow.conditions import Comparison, explain
from resumer_daemon.workflow.definition import ConditionStep, Definition, ForeachStep, Step
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.templates import follow, reference
from resumer_daemon.workflow.values import Json


def comparisons(
    record: StepRecord,
    definition: Definition,
    context: Mapping[str, Json],
    rules: Mapping[str, Rule],
) -> tuple[Comparison, ...]:
    """Return the comparisons of a condition's record; none of any other record.

    `context` is the one that the step ran on. A rule that cannot be asked has no comparisons: the
    record's error tells of it.
    """
    if record.step_type != "condition":
        return ()
    first, *inner = record.path.split("/")
    step = next((step for step in definition.steps if segment(step.id) == first), None)
    while inner and step is not None:
        step, context, inner = _enter(step, context, inner)
    if not isinstance(step, ConditionStep):
        return ()
    try:
        return tuple(explain(condition_of(step, rules), context))
    except Fault:
        return ()


def _enter(
    step: Step, context: Mapping[str, Json], path: list[str]
) -> tuple[Step | None, Mapping[str, Json], list[str]]:
    """Return the member that the path leads to, its context, and the rest of the path."""
    match step.type:
        case "parallel":
            return step.steps[int(path[0])], context, path[1:]
        case "foreach":
            position = int(path[1].partition("@")[0])
            return step.steps[position], _scope(step, context, int(path[0])), path[2:]
        case _:
            return None, context, []


def _scope(step: ForeachStep, context: Mapping[str, Json], number: int) -> dict[str, Json]:
    items = follow(reference(step.items) or "", context)
    return {**context, f"{step.item_var}": items[number], f"{step.item_var}_index": number}
