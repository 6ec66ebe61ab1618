"""Find paused executions that another definition of their workflow cannot continue."""

from collections.abc import Iterable, Iterator

from msgspec.structs import fields

from resumer_daemon.engine.state import NextSteps
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import ActionStep, Definition, Step, WaitStep


class PausePoint(Frozen):
    """A step where executions are paused, the reason, and the next steps."""

    step_id: str | None
    reason: str
    next_steps: NextSteps


def find_incompatible(point: PausePoint, definition: Definition) -> tuple[str, ...]:
    """Return the parts of a pause point that a definition lacks, as sentences."""
    return tuple(_missing(point, definition))


def _missing(point: PausePoint, definition: Definition) -> Iterator[str]:
    if point.step_id is not None:
        steps = [step for step in _all(definition.steps) if step.id == point.step_id]
        if not steps:
            yield f"no step {point.step_id}"
        elif point.reason == "approval_required" and not any(map(_asks, steps)):
            yield f"{point.step_id} requires no approval"
        elif point.reason.startswith("waiting_for") and not any(map(_waits, steps)):
            yield f"{point.step_id} is not a wait"
    seen = {None, point.step_id}
    for way in fields(point.next_steps):
        target = getattr(point.next_steps, way.name)
        if target not in seen and definition.step(target) is None:
            seen.add(target)
            yield f"no step {target} (next after {way.name})"


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.type in ("parallel", "foreach"):
            yield from _all(step.steps)


def _asks(step: Step) -> bool:
    return isinstance(step, ActionStep) and step.requires is not None


def _waits(step: Step) -> bool:
    return isinstance(step, WaitStep)
