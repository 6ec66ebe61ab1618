"""Parse a workflow definition: every supported dialect becomes the same `Definition`."""

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from resumer_daemon.durations import LONGEST
from resumer_daemon.workflow.action_parser import (
    REQUIRE_APPROVAL,
    action_step,
    parse_action,
    parse_actions,
    refuse_requires,
)
from resumer_daemon.workflow.definition import (
    LONGEST_ID,
    ConditionStep,
    Definition,
    ExecuteStep,
    ForeachStep,
    InvalidStep,
    ParallelStep,
    RetryPolicy,
    Step,
    WaitStep,
    is_id,
)
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.reader import (
    ParseError,
    Reader,
    alike,
    kind,
    not_understood,
    within_gate,
)
from resumer_daemon.workflow.templates import reference
from resumer_daemon.workflow.values import Json, UnreadableJson, clean, is_number, storable


def parse_definition(document: Json) -> Definition:
    """Parse a whole document, or its inner part, into the canonical model.

    A step that cannot be parsed becomes an `InvalidStep`, which fails when it is reached.

    Raises:
        DefinitionError: It is not an object, or its steps are not a list of objects with unique
        ids.
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
    """Return a reader of the object that holds the steps. Keys of the outer object count too.

    Raises:
        DefinitionError: The document is not an object.
    """
    if not isinstance(document, dict):
        raise DefinitionError("$", f"expected an object, found {kind(document)}")
    outer = Reader(document, "$")
    is_whole = isinstance(document.get("definition"), dict)
    return outer.inner("definition", beneath=outer) if is_whole else outer


def _steps(written: Json, path: str) -> tuple[Step, ...]:
    if not isinstance(written, list):
        raise DefinitionError(path, f"expected a list of steps, found {kind(written)}")
    steps: dict[str, Step] = {}
    for index, step in enumerate(written):
        step_id = _id(step, f"{path}[{index}]")
        if step_id in steps:
            raise DefinitionError(
                f"{path}[{index}].id", f"{step_id} is already the id of another step"
            )
        steps[step_id] = read_step(step_id, step, f"{path}[{index}]")
    return tuple(steps.values())


def _id(step: Json, path: str) -> str:
    if not isinstance(step, dict):
        raise DefinitionError(path, f"expected a step, found {kind(step)}")
    step_id = step.get("id")
    if not is_id(step_id):
        expected = f"a text of 1 to {LONGEST_ID} characters"
        raise DefinitionError(f"{path}.id", f"expected {expected}, found {kind(step_id)}")
    return storable(step_id)


def _object(written: Json) -> dict[str, Json]:
    try:
        return clean(written) if isinstance(written, dict) else {}
    except UnreadableJson:
        return {}


def _loads(context: Json) -> tuple[str, ...]:
    load = context.get("load") if isinstance(context, dict) else None
    paths = load if isinstance(load, list) else []
    return tuple(storable(path) for path in paths if isinstance(path, str) and path)


def _timeout(inner: Reader, trigger: dict[str, Json]) -> tuple[float | None, str | None]:
    """Return the timeout of an execution, or the error in it."""
    try:
        return inner.duration("timeout") or _trigger_timeout(trigger), None
    except ParseError as error:
        return None, str(error)


def _trigger_timeout(trigger: dict[str, Json]) -> float | None:
    data = trigger.get("data")
    timeout = data.get("timeout_seconds") if isinstance(data, dict) else None
    if timeout is None:
        return None
    if not is_number(timeout) or not 1 <= timeout <= LONGEST:
        raise not_understood("$.trigger.data.timeout_seconds", timeout, "a number from 1")
    return float(int(timeout))


WAIT_KEYS: Final = ("event", "match", "timeout", "on_timeout", "on_event", "for", "duration")
"""The keys of a `wait`, nested or on its step."""

_STEP_KEYS: Final = frozenset(
    {"id", "type", "name", "wait", "next", "on_error", "delivery", "metadata", "retry"}
)
_NOT_YET: Final = frozenset({"filter", "count", "until"})


def read_step(step_id: str, written: Json, path: str) -> Step:
    """Read a step. An error affects only this step."""
    try:
        step = Reader(clean(written), path)
    except (ParseError, UnreadableJson) as error:
        return InvalidStep(id=step_id, error=_located(path, error))
    return _read(step_id, step)


def _read(step_id: str, step: Reader) -> Step:
    try:
        return _typed(step, {"id": step_id, **_common(step)})
    except ParseError as error:
        return InvalidStep(
            gate=error.gate,
            id=step_id,
            written_type=_text(step.own("type")) or "",
            next=_text(step.own("next")),
            on_error=_text(step.own("on_error", "on_fail")),
            error=str(error),
        )


def _typed(step: Reader, common: dict[str, Any]) -> Step:
    kind = step.value("type")
    if kind in ("action", REQUIRE_APPROVAL):
        return action_step(step, common)
    with within_gate():
        refuse_requires(step)
    if kind == "wait":
        return _wait_step(step, common)
    common["timeout"] = step.duration("timeout")
    match kind:
        case "condition":
            return _condition_step(step, common)
        case "execute":
            return _execute_step(step, common)
        case "parallel":
            return parallel_step(step, common, _read)
        case "foreach":
            return foreach_step(step, common, _read)
    types = "condition, action, execute, parallel, foreach, wait"
    raise step.wrong("type", f"{types} or {REQUIRE_APPROVAL}")


def _common(step: Reader) -> dict[str, Any]:
    return {
        "next": step.way("next"),
        "on_error": step.way("on_error"),
        "delivery": _delivery(step),
        "metadata": step.mapping("metadata"),
        "retry": _retry(step.inner("retry")),
    }


def _delivery(step: Reader) -> Literal["at_least_once", "at_most_once"]:
    match step.value("delivery"):
        case None | "at_least_once":
            return "at_least_once"
        case "at_most_once":
            return "at_most_once"
    # A guess could repeat an effect that must not be repeated.
    raise step.wrong("delivery", "at_least_once or at_most_once")


def _retry(retry: Reader) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=max(1, retry.whole("max_attempts") or 1),
        backoff=_backoff(retry),
        retry_on=retry.texts("retry_on"),
    )


def _backoff(retry: Reader) -> Literal["exponential", "linear", "fixed"]:
    match retry.value("backoff"):
        case None | "exponential":
            return "exponential"
        case "linear":
            return "linear"
    return "fixed"


def _condition_step(step: Reader, common: dict[str, Any]) -> ConditionStep:
    return ConditionStep(
        rule_id=step.text("rule_id"),
        condition=step.value("condition"),
        on_true=step.way("on_true"),
        on_false=step.way("on_false"),
        **common,
    )


def _execute_step(step: Reader, common: dict[str, Any]) -> ExecuteStep:
    execute = parse_actions(step)
    if not execute and isinstance(step.value("action"), str) and step.value("config") is not None:
        named = {"type": step.value("action"), "config": step.mapping("config")}
        execute = (parse_action(Reader(named, step.path)),)
    if not execute:
        raise step.wrong("execute", "a list of actions")
    return ExecuteStep(execute=execute, **common)


def _wait_step(step: Reader, common: dict[str, Any]) -> WaitStep:
    with within_gate():
        wait = step.inner("wait", beneath=step)
        step.inner("wait").only(WAIT_KEYS, "wait")
        _refuse_misspelt(step)
    event, duration = wait.text("event"), wait.value("for", "duration")
    if event is None and duration is None:
        raise wait.wrong("event", "an event to wait for, or a time")
    with within_gate():
        match = wait.mapping("match")
    return WaitStep(
        event=event,
        match=match,
        duration=duration,
        wait_timeout=wait.value("timeout"),
        on_event=wait.way("on_event") or step.inner("metadata").way("on_resume"),
        on_timeout=wait.way("on_timeout"),
        **common,
    )


def _refuse_misspelt(step: Reader) -> None:
    """Refuse keys on the step that probably belong to the wait and would be ignored."""
    for key, value in step.written.items():
        if key in _STEP_KEYS or key in WAIT_KEYS or value in (None, ""):
            continue
        meant = alike(key, WAIT_KEYS)
        if key in _NOT_YET or meant:
            hint = f", did you mean {meant}?" if meant else ""
            raise ParseError(f"{step.path}.{key}", f"unknown key of a wait{hint}")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _located(path: str, error: Exception) -> str:
    return str(error) if isinstance(error, ParseError) else f"{path}: {error}"


Read: TypeAlias = Callable[[str, Reader], Step]

_STEM: Final = LONGEST_ID - 15  # room for `.` and the position of a member without an id
_STRATEGIES: Final = ("all_must_pass", "any_can_pass", "best_effort")


def parallel_step(step: Reader, common: dict[str, Any], read: Read) -> ParallelStep:
    """Read a step of type `parallel`. `read` reads its members.

    Raises:
        ParseError: It is invalid. An error in a member affects only the member.
    """
    parallel = step.inner("parallel", beneath=step)
    strategy = parallel.value("strategy") or _STRATEGIES[0]
    if strategy not in _STRATEGIES:
        raise parallel.wrong("strategy", ", ".join(_STRATEGIES))
    steps = _members(parallel, common["id"], read)
    return ParallelStep(strategy=strategy, steps=steps, **common | _ways(parallel))


def foreach_step(step: Reader, common: dict[str, Any], read: Read) -> ForeachStep:
    """Read a step of type `foreach`. `read` reads the steps of its body.

    Raises:
        ParseError: It is invalid. An error in a step of the body affects only that step.
    """
    foreach = step.inner("foreach", beneath=step)
    items = foreach.text("items")
    if reference(items) is None:
        raise foreach.wrong("items", "one whole reference, such as {{order.items}}")
    item_var = foreach.text("item_var")
    if item_var is None:
        raise foreach.wrong("item_var", "the name of an item")
    steps = _members(foreach, common["id"], read)
    return ForeachStep(items=items, item_var=item_var, steps=steps, **common | _ways(foreach))


def _ways(group: Reader) -> dict[str, str | None]:
    return {"next": group.way("next", "on_pass"), "on_error": group.way("on_error", "on_fail")}


def _members(group: Reader, group_id: str, read: Read) -> tuple[Step, ...]:
    members: dict[str, Reader] = {}
    for index, (path, written) in enumerate(group.members("steps")):
        member = Reader(written, path)
        member_id = _member_id(member, f"{group_id[:_STEM]}.{index}")
        if member_id in members:
            raise member.wrong("id", "a unique id")
        members[member_id] = member
    if not members:
        raise group.wrong("steps", "a list of steps")
    return tuple(read(member_id, member) for member_id, member in members.items())


def _member_id(member: Reader, default: str) -> str:
    written = member.value("id")
    if written is None:
        return default
    if not is_id(written):
        raise member.wrong("id", f"a text of 1 to {LONGEST_ID} characters")
    return str(written)
