"""Actions that end in the outbox: notifications, and records that are mapped to nothing."""

from typing import Literal

from resumer_daemon.engine.actions.task import Task, shown
from resumer_daemon.engine.keys import effect_key
from resumer_daemon.engine.outcome import OutboxMessage
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render_text
from resumer_daemon.workflow.values import Json, dump, printed


def notify(task: Task) -> dict[str, Json]:
    """Put a message to its recipients into the outbox."""
    recipients = _recipients(task.value("recipients"))
    if not recipients:
        raise task.needs("recipients")
    template, data = task.text("template"), task.value("data")
    message = _message(task, template, data)
    body = {"recipients": recipients, "message": message}
    beside = {"channel": task.text("channel"), "template": template, "data": data}
    return put(
        task, "notify", body | {k: value for k, value in beside.items() if value is not None}
    )


def _message(task: Task, template: str | None, data: Json) -> str:
    if template is not None:
        return _filled(task, template, data)
    if task.act.params.get("message") is None:
        raise Fault("notify needs message or template")
    return task.needed("message")


def _filled(task: Task, template: str, data: Json) -> str:
    """Return the text of a template; one that is not configured is its name, followed by its data.

    The text knows the keys of `data` before those of the context, and `data` itself.
    """
    text = task.walk.world.notification_templates.get(template)
    if text is None:
        return template if data is None else f"{template} {dump(data)}"
    known = data if isinstance(data, dict) else {}
    scope = {**task.place.context, **known, "data": data}
    return render_text(text, scope, task.names, task.unresolved)


def _recipients(value: Json) -> list[str]:
    """Return who is told; one alone needs no list."""
    given = value if isinstance(value, list) else [value]
    return [text for text in map(printed, given) if text.strip()]


def put(
    task: Task, kind: Literal["notify", "create_record", "update_record"], body: dict[str, Json]
) -> dict[str, Json]:
    """Put a message into the outbox, without secrets: it is kept, and people read it."""
    message = OutboxMessage(effect_key(task.digest()), kind, mask_secrets(body))
    task.walk.write(message)
    return shown(**body)
