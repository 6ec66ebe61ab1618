"""Webhooks: rendered once, then the same bytes under the same key in every attempt."""

import re
from collections.abc import Mapping
from typing import Final

from resumer_daemon.engine.actions.attempt import attempt
from resumer_daemon.engine.actions.task import Task
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import mask_secrets, secrets_in
from resumer_daemon.workflow.url_templates import is_url, names_user, refusal
from resumer_daemon.workflow.values import Json

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def webhook(task: Task) -> dict[str, Json] | None:
    """Send a request, or return what it came to; None while there is no result."""
    return attempt(task, "webhook", lambda: _webhook_request(task))


def _webhook_request(task: Task) -> dict[str, Json]:
    url = task.url()
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
    """Refuse what cannot be sent. A URL with secrets in it is checked whole when it is sent."""
    if names_user(url) or not (secrets_in(url) or is_url(url)):
        raise Fault(f"webhook: {refusal(url)}")


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
