"""The one edge where a definition comes in: whatever its spelling, it leaves as `Definition`."""

from resumer_daemon.durations import LONGEST
from resumer_daemon.workflow.definition import LONGEST_ID, Definition, Step, is_id
from resumer_daemon.workflow.faults import Refused
from resumer_daemon.workflow.jsontext import Json, Unreadable, clean, storable
from resumer_daemon.workflow.reading import NotUnderstood, Reader, not_understood
from resumer_daemon.workflow.spelling_steps import read_step
from resumer_daemon.workflow.values import is_number
from resumer_daemon.workflow.wording import kind


def normalise(document: Json) -> Definition:
    """Turn a whole document, or its inner part, into the canonical model.

    A step that is not understood becomes a `BrokenStep`, which fails when it is reached.

    Raises:
        Refused: It is no object, or its steps are no list of objects with ids of their own.
    """
    inner = inner_part(document)
    trigger = _object(inner.value("trigger"))
    path, steps = inner.located("steps")
    timeout, timeout_error = _timeout(inner, trigger)
    return Definition(
        steps=_steps(steps, path),
        trigger=trigger,
        context_load=_loads(inner.value("context")),
        timeout=timeout,
        timeout_error=timeout_error,
    )


def inner_part(document: Json) -> Reader:
    """Return a reader of the part that holds the steps; what stands beside it counts too.

    Raises:
        Refused: The document is no object.
    """
    if not isinstance(document, dict):
        raise Refused("$", f"expected an object, found {kind(document)}")
    outer = Reader(document, "$")
    is_whole = isinstance(document.get("definition"), dict)
    return outer.inner("definition", beneath=outer) if is_whole else outer


def _steps(written: Json, path: str) -> tuple[Step, ...]:
    if not isinstance(written, list):
        raise Refused(path, f"expected a list of steps, found {kind(written)}")
    steps: dict[str, Step] = {}
    for index, step in enumerate(written):
        step_id = _id(step, f"{path}[{index}]")
        if step_id in steps:
            raise Refused(f"{path}[{index}].id", f"{step_id} is the id of another step")
        steps[step_id] = read_step(step_id, step, f"{path}[{index}]")
    return tuple(steps.values())


def _id(step: Json, path: str) -> str:
    if not isinstance(step, dict):
        raise Refused(path, f"expected a step, found {kind(step)}")
    step_id = step.get("id")
    if not is_id(step_id):
        expected = f"a text of 1 to {LONGEST_ID} characters"
        raise Refused(f"{path}.id", f"expected {expected}, found {kind(step_id)}")
    return storable(step_id)


def _object(written: Json) -> dict[str, Json]:
    try:
        return clean(written) if isinstance(written, dict) else {}
    except Unreadable:
        return {}


def _loads(context: Json) -> tuple[str, ...]:
    load = context.get("load") if isinstance(context, dict) else None
    paths = load if isinstance(load, list) else []
    return tuple(storable(path) for path in paths if isinstance(path, str) and path)


def _timeout(inner: Reader, trigger: dict[str, Json]) -> tuple[float | None, str | None]:
    """Return the timeout of an execution, or why it is not understood."""
    try:
        return inner.duration("timeout") or _trigger_timeout(trigger), None
    except NotUnderstood as error:
        return None, str(error)


def _trigger_timeout(trigger: dict[str, Json]) -> float | None:
    data = trigger.get("data")
    timeout = data.get("timeout_seconds") if isinstance(data, dict) else None
    if timeout is None:
        return None
    if not is_number(timeout) or not 1 <= timeout <= LONGEST:
        raise not_understood("$.trigger.data.timeout_seconds", timeout, "a number from 1")
    return float(int(timeout))
