"""Actions that end in the outbox: notifications and records."""

from typing import Literal

from resumer_daemon.engine.actions.task import Task, shown
from resumer_daemon.engine.keys import effect_key
from resumer_daemon.engine.outcome import OutboxMessage
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
    return _put(task, "notify", body)


def create_record(task: Task) -> dict[str, Json]:
    """Put a new record into the outbox."""
    body = {"entity": task.needed("entity"), "data": task.value("data")}
    return _put(task, "create_record", body)


def update_record(task: Task) -> dict[str, Json]:
    """Put a change of a record into the outbox."""
    body = {
        "entity": task.needed("entity"),
        "entity_id": task.needed("entity_id"),
        "data": task.value("data"),
    }
    return _put(task, "update_record", body)


def _recipients(value: Json) -> list[str]:
    """Return who is told; one alone needs no list."""
    given = value if isinstance(value, list) else [value]
    return [text for text in map(printed, given) if text.strip()]


def _put(
    task: Task, kind: Literal["notify", "create_record", "update_record"], body: dict[str, Json]
) -> dict[str, Json]:
    task.walk.writes.append(OutboxMessage(effect_key(task.digest()), kind, body))
    return shown(**body)
