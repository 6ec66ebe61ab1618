"""An effect of an action: rendered once, then the same in every attempt, until it has a result."""

from collections.abc import Callable, Mapping
from typing import Literal

from resumer_daemon.engine.actions.task import ActionFailed, Task, shown
from resumer_daemon.engine.clock import Limit, earlier
from resumer_daemon.engine.keys import effect_key
from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.engine.progress import exact
from resumer_daemon.workflow.values import Json


def attempt(
    task: Task, kind: Literal["webhook", "record"], render: Callable[[], dict[str, Json]]
) -> dict[str, Json] | None:
    """Have it done, or return what it came to; None while there is no result.

    `render` makes the request, and is asked for it once.

    Raises:
        ActionFailed: It was answered badly, or not at all.
        Fault: What it needs is missing, or not what it should be.
    """
    pending = task.progress.pending
    if pending is None:
        pending = {"key": effect_key(task.digest()), "kind": kind, "request": render()}
        _begin(task, pending, attempt=1)
    elif pending.get("failed"):
        _begin(task, pending, attempt=pending["attempt"] + 1)
    elif (result := task.walk.results.get(task.path)) is not None:
        return _answered(task, pending, result)
    return None  # what is under way is handed over again without being looked at


def _begin(task: Task, pending: Mapping[str, Json], attempt: int) -> None:
    """Begin an attempt, which another advance will find under way."""
    limit = _limit(task)
    if limit is not None and limit.at <= task.walk.clock + task.place.delay:
        raise ActionFailed(limit.error(), "timeout", shown(**pending["request"]))
    pending = {name: pending[name] for name in ("key", "kind", "request")} | {"attempt": attempt}
    if task.place.delay:
        pending["delay"] = exact(task.place.delay)
    if task.step.delivery != "at_least_once":
        pending["delivery"] = task.step.delivery
    if limit is not None:
        pending["until"] = exact(limit.at)
    task.progress.pending = pending
    task.walk.hand_over(task.place.path, len(task.progress.results), pending)


def _limit(task: Task) -> Limit | None:
    timeout = task.step.timeout
    if timeout is None:
        return task.place.limit
    return earlier(Limit(task.progress.clock + timeout, timeout), task.place.limit)


def _answered(task: Task, pending: Mapping[str, Json], result: EffectResult) -> dict[str, Json]:
    seen = shown(**pending["request"]) | dict(result.data)
    status = result.data.get("status_code")
    error, failed_as = result.error, result.retry_class
    if error is None and isinstance(status, int) and not 200 <= status <= 299:
        error, failed_as = f"webhook answered {status}", str(status)
    if error is None:
        task.progress.pending = None
        return seen
    task.progress.pending = {**pending, "failed": True}
    at_most_once = task.step.delivery == "at_most_once" and result.sent
    raise ActionFailed(error, failed_as, seen, final=at_most_once or failed_as == "fault")
