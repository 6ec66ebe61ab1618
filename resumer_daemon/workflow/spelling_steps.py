"""The spellings of one step: what every step may carry, and what its type asks for."""

from typing import Any, Literal

from resumer_daemon.workflow.definition import (
    BrokenStep,
    ConditionStep,
    ExecuteStep,
    Retry,
    Step,
    WaitStep,
)
from resumer_daemon.workflow.durations import seconds
from resumer_daemon.workflow.jsontext import clean
from resumer_daemon.workflow.reading import NotUnderstood, Reader
from resumer_daemon.workflow.spelling_action import REQUIRE_APPROVAL, action_step
from resumer_daemon.workflow.spelling_acts import act, acts
from resumer_daemon.workflow.spelling_groups import foreach_step, parallel_step
from resumer_daemon.workflow.values import Json, Unreadable, printed


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
            id=step_id,
            written_type=_text(step.own("type")) or "",
            next=_text(step.own("next")),
            on_error=_text(step.own("on_error", "on_fail")),
            error=str(error),
        )


def _typed(step: Reader, common: dict[str, Any]) -> Step:
    match step.value("type"):
        case "condition":
            return _condition_step(step, common)
        case "action" | "require_approval":
            return action_step(step, common)
        case "execute":
            return _execute_step(step, common)
        case "parallel":
            return parallel_step(step, common, _read)
        case "foreach":
            return foreach_step(step, common, _read)
        case "wait":
            return _wait_step(step, common)
    types = "condition, action, execute, parallel, foreach, wait"
    raise step.wrong("type", f"{types} or {REQUIRE_APPROVAL}")


def _common(step: Reader) -> dict[str, Any]:
    return {
        "next": step.way("next"),
        "on_error": step.way("on_error"),
        "timeout": seconds(step.value("timeout")),
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
    wait = step.inner("wait", beneath=step)
    event, duration = wait.text("event"), wait.value("for", "duration")
    if event is None and duration is None:
        raise wait.wrong("event", "an event to wait for, or a time")
    return WaitStep(
        event=event,
        match=wait.mapping("match"),
        duration=_printed(duration),
        wait_timeout=_printed(wait.value("timeout")),
        on_event=wait.way("on_event") or step.inner("metadata").way("on_resume"),
        on_timeout=wait.way("on_timeout"),
        **{**common, "timeout": None},
    )


def _printed(duration: Json) -> str | None:
    """Return a duration as text, whatever it is: not understood, it fails the wait."""
    return None if duration is None else printed(duration)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _located(path: str, error: Exception) -> str:
    return str(error) if isinstance(error, NotUnderstood) else f"{path}: {error}"
