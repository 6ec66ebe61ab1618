"""Actions that end in the outbox: notifications, and records that are mapped to nothing."""

from typing import Literal

from resumer_daemon.engine.actions.task import Task, shown
from resumer_daemon.engine.keys import effect_key
from resumer_daemon.engine.outcome import OutboxMessage
from resumer_daemon.workflow.templates import mask_secrets
from resumer_daemon.workflow.values import Json, printed


def notify(task: Task) -> dict[str, Json]:
    """Put a message to its recipients into the outbox."""
    recipients = _recipients(task.value("recipients"))
    if not recipients:
        raise task.needs("recipients")
    body = {"recipients": recipients, "message": task.needed("message")}
    channel = task.text("channel")
    if channel is not None:
        body["channel"] = channel
    return put(task, "notify", body)


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
