"""Which events start a workflow."""

from collections.abc import Mapping

from resumer_daemon.workflow.values import Json


def starts_on(trigger: Mapping[str, Json], event_type: str) -> bool:
    """Tell whether an event of this type starts a definition with this trigger."""
    event = trigger.get("event")
    if trigger.get("type") != "event" or not isinstance(event, str) or not event:
        return False
    return event_type.startswith(event[:-1]) if event.endswith("*") else event_type == event
