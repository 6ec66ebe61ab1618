"""The spellings of one step: what every step may carry, and what its type asks for."""

from typing import Any, Final, Literal

from resumer_daemon.workflow.definition import (
    BrokenStep,
    ConditionStep,
    ExecuteStep,
    Retry,
    Step,
    WaitStep,
)
from resumer_daemon.workflow.jsontext import Json, Unreadable, clean
from resumer_daemon.workflow.reading import NotUnderstood, Reader, alike, within_gate
from resumer_daemon.workflow.spelling_action import REQUIRE_APPROVAL, action_step, refuse_requires
from resumer_daemon.workflow.spelling_acts import act, acts
from resumer_daemon.workflow.spelling_groups import foreach_step, parallel_step

WAIT_KEYS: Final = ("event", "match", "timeout", "on_timeout", "on_event", "for", "duration")
"""The keys of a `wait`, nested or on its step."""

_STEP_KEYS: Final = frozenset(
    {"id", "type", "name", "wait", "next", "on_error", "delivery", "metadata", "retry"}
)
_NOT_YET: Final = frozenset({"filter", "count", "until"})


def read_step(step_id: str, written: Json, path: str) -> Step:
    """Read a step; what is not understood breaks this step, and nothing else."""
    try:
        step = Reader(clean(written), path)
    except (NotUnderstood, Unreadable) as error:
        return BrokenStep(id=step_id, error=_located(path, error))
    return _read(step_id, step)


def _read(step_id: str, step: Reader) -> Step:
    try:
        return _typed(step, {"id": step_id, **_common(step)})
    except NotUnderstood as error:
        return BrokenStep(
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
    # To guess here would repeat what must not be repeated.
    raise step.wrong("delivery", "at_least_once or at_most_once")


def _retry(retry: Reader) -> Retry:
    return Retry(
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
    execute = acts(step)
    if not execute and isinstance(step.value("action"), str) and step.value("config") is not None:
        named = {"type": step.value("action"), "config": step.mapping("config")}
        execute = (act(Reader(named, step.path)),)
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
    """Refuse what is meant for the wait, and would be ignored on its step."""
    for key, value in step.written.items():
        if key in _STEP_KEYS or key in WAIT_KEYS or value in (None, ""):
            continue
        meant = alike(key, WAIT_KEYS)
        if key in _NOT_YET or meant:
            hint = f", did you mean {meant}?" if meant else ""
            raise NotUnderstood(f"{step.path}.{key}", f"unknown key of a wait{hint}")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _located(path: str, error: Exception) -> str:
    return str(error) if isinstance(error, NotUnderstood) else f"{path}: {error}"
