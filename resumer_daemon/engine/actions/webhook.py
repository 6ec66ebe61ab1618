"""Webhooks: rendered once, then the same bytes under the same key in every attempt."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from resumer_daemon.engine.actions.task import ActionFailed, Task, shown
from resumer_daemon.engine.clock import Limit, earlier
from resumer_daemon.engine.keys import effect_key
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.engine.progress import exact
from resumer_daemon.workflow.faults import Fault
from resumer_daemon.workflow.templates import mask_secrets, secrets_in
from resumer_daemon.workflow.values import Json

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_URL: Final = re.compile(r"[\x00-\x20\x7f]")


def webhook(task: Task) -> dict[str, Json] | None:
    """Send a request, or return what it came to; None while there is no result.

    Raises:
        ActionFailed: It was answered badly, or not at all.
        Fault: What it needs is missing, or not what it should be.
    """
    pending = task.progress.pending
    if pending is None:
        pending = {"key": effect_key(task.digest()), "request": _request(task)}
        _send(task, pending, attempt=1)
    elif pending.get("failed"):
        _send(task, pending, attempt=pending["attempt"] + 1)
    elif (result := task.walk.results.get(task.path)) is not None:
        return _answered(task, pending, result)
    else:
        _hand_over(task, pending)
    return None


def _send(task: Task, pending: Mapping[str, Json], attempt: int) -> None:
    """Begin an attempt, which another advance will find under way."""
    limit = _limit(task)
    if limit is not None and limit.at <= task.walk.clock + task.place.delay:
        raise ActionFailed(limit.error(), "timeout", shown(**pending["request"]))
    pending = {"key": pending["key"], "request": pending["request"], "attempt": attempt}
    if task.place.delay:
        pending["delay"] = exact(task.place.delay)
    _hand_over(task, pending)
    task.progress.pending = pending


def _hand_over(task: Task, pending: Mapping[str, Json]) -> None:
    limit = _limit(task)
    task.walk.effects.append(
        Effect(
            path=task.path,
            key=pending["key"],
            kind="webhook",
            request=pending["request"],
            attempt=pending["attempt"],
            delivery=task.step.delivery,
            delay=float(pending.get("delay", 0)),
            deadline=None if limit is None else max(0.0, limit.at - task.walk.clock),
        )
    )


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


def _request(task: Task) -> dict[str, Json]:
    url = task.needed("url")
    if not secrets_in(url):
        _check_url(url)
    method = (task.text("method") or "POST").upper()
    if not _TOKEN.fullmatch(method):
        raise Fault(f"webhook: not a method: {mask_secrets(method)}")
    return {
        "method": method,
        "url": url,
        "headers": _headers(task),
        "body": task.value("body"),
    }


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or _NOT_IN_URL.search(url):
        raise Fault(f"webhook: not a URL: {url}")


def _headers(task: Task) -> dict[str, str]:
    given = task.act.params.get("headers")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Fault("webhook: headers are no object")
    headers = {name: task.rendered(value) for name, value in given.items()}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise Fault(f"webhook: not a header: {name}")
    return headers
