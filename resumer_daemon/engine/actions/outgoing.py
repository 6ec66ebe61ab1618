"""Actions that leave the engine: webhooks, records and notifications.

A webhook is rendered once, and every attempt sends the same bytes under the same key. A record that
is mapped to a table is an effect inside the database. The daemon writes it in the transaction that
records its result, so it exists exactly once, and the step fails if the write fails. Notifications
and unmapped records go to the outbox.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote

from resumer_daemon.engine.actions.base import Task, recordable, run_effect
from resumer_daemon.engine.identifiers import effect_key
from resumer_daemon.engine.inputs import Endpoint, RecordTable
from resumer_daemon.engine.outcome import OutboxMessage
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets, secrets_in
from resumer_daemon.workflow.templates import render_text
from resumer_daemon.workflow.url_templates import is_url, names_user, refusal
from resumer_daemon.workflow.values import Json, dump, to_text

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def webhook(task: Task) -> dict[str, Json] | None:
    """Send an HTTP request. Return its result, None while there is none."""
    return run_effect(task, "webhook", lambda: _webhook_request(task))


def _webhook_request(task: Task) -> dict[str, Json]:
    url = task.url()
    _check_url(url)
    method = (task.text("method") or "POST").upper()
    if not _TOKEN.fullmatch(method):
        raise StepError(f"webhook: not a method: {mask_secrets(method)}")
    return {
        "method": method,
        "url": url,
        "headers": _headers(task),
        "body": task.value("body"),
    }


def _check_url(url: str) -> None:
    """Check a URL. One with secrets is checked when it is sent."""
    if names_user(url) or not (secrets_in(url) or is_url(url)):
        raise StepError(f"webhook: {refusal(url)}")


def _headers(task: Task) -> dict[str, str]:
    given = task.action.params.get("headers")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise StepError("webhook: headers are not an object")
    headers = {name: task.rendered(value) for name, value in given.items()}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise StepError(f"webhook: not a header: {name}")
    return headers


def create_record(task: Task) -> dict[str, Json] | None:
    """Create a record. Return its result, None while there is none."""
    body = {"entity": task.needed("entity"), "data": task.value("data")}
    return _write_record(task, "create_record", "POST", body)


def update_record(task: Task) -> dict[str, Json] | None:
    """Update a record. Return its result, None while there is none."""
    body = {
        "entity": task.needed("entity"),
        "entity_id": task.needed("entity_id"),
        "data": task.value("data"),
    }
    return _write_record(task, "update_record", "PATCH", body)


def _write_record(
    task: Task,
    kind: Literal["create_record", "update_record"],
    method: Literal["POST", "PATCH"],
    body: dict[str, Json],
) -> dict[str, Json] | None:
    """Write a record to the target that is configured for its entity, else to the outbox."""
    match task.run.inputs.records.get(body["entity"]):
        case RecordTable() as table:
            return run_effect(task, "record", lambda: _row(task, table, body))
        case Endpoint() as endpoint:
            return run_effect(
                task, "webhook", lambda: _record_request(task, method, endpoint, body)
            )
        case None:
            return add_to_outbox(task, kind, body)


def _row(task: Task, table: RecordTable, body: dict[str, Json]) -> dict[str, Json]:
    """Return the write to a table, with allowed columns only."""
    data = body["data"]
    if not isinstance(data, dict) or not data:
        raise StepError(f"{task.action.type} needs data: an object with columns of {table.name}")
    if forbidden := sorted(data.keys() - table.columns):
        raise StepError(f"{task.action.type}: columns that are not allowed: {', '.join(forbidden)}")
    if secrets_in(body):
        raise StepError(f"{task.action.type}: a secret cannot be written to a table")
    return {"table": table.name, "key": table.key, **body}


def _record_request(
    task: Task, method: str, endpoint: Endpoint, body: dict[str, Json]
) -> dict[str, Json]:
    headers = {name: task.rendered(value) for name, value in endpoint.headers.items()}
    identity = quote(str(body.get("entity_id", "")), safe="")
    url = endpoint.url.replace("{id}", identity)
    return {"method": method, "url": url, "headers": headers, "body": body}


def notify(task: Task) -> dict[str, Json]:
    """Write a notification to the outbox."""
    recipients = _recipients(task.value("recipients"))
    if not recipients:
        raise task.needs("recipients")
    template, data = task.text("template"), task.value("data")
    message = _message(task, template, data)
    body = {"recipients": recipients, "message": message}
    beside = {"channel": task.text("channel"), "template": template, "data": data}
    return add_to_outbox(
        task, "notify", body | {k: value for k, value in beside.items() if value is not None}
    )


def _message(task: Task, template: str | None, data: Json) -> str:
    if template is not None:
        return _message_from_template(task, template, data)
    if task.action.params.get("message") is None:
        raise StepError("notify needs message or template")
    return task.needed("message")


def _message_from_template(task: Task, template: str, data: Json) -> str:
    """Return the text of a notification template, or its name and data if it is not configured.

    The template can use the keys of `data`, the context, and `data` itself.
    """
    text = task.run.inputs.notification_templates.get(template)
    if text is None:
        return template if data is None else f"{template} {dump(data)}"
    known = data if isinstance(data, dict) else {}
    context = {**task.scope.context, **known, "data": data}
    return render_text(text, context, task.names, task.unresolved)


def _recipients(value: Json) -> list[str]:
    """Return the recipients. A single one needs no list."""
    given = value if isinstance(value, list) else [value]
    return [text for text in map(to_text, given) if text.strip()]


def add_to_outbox(
    task: Task, kind: Literal["notify", "create_record", "update_record"], body: dict[str, Json]
) -> dict[str, Json]:
    """Write a message to the outbox, without secrets, because messages are stored."""
    message = OutboxMessage(effect_key(task.digest()), kind, mask_secrets(body))
    task.run.add_write(message)
    return recordable(**body)
