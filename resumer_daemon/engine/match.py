"""Whether an event is meant for an execution that waits for its type.

With `match`, every path of it leads in the payload to the value that was rendered when the pause
began. Without, an event that names another entity than the context (`<entity>.id` in both,
different) is not for it.
"""

from collections.abc import Mapping

from resumer_daemon.workflow.faults import Fault
from resumer_daemon.workflow.values import Json, lookup, same


def meant_for(match: Mapping[str, Json], context: Json, payload: Json) -> bool:
    """Tell whether this payload agrees with what the wait asked for."""
    if match:
        return all(_agrees(path, value, payload) for path, value in match.items())
    return not _names_another(context, payload)


def _agrees(path: str, value: Json, payload: Json) -> bool:
    try:
        return same(lookup(path, payload), value)
    except Fault:
        return False


def _names_another(context: Json, payload: Json) -> bool:
    if not isinstance(context, dict) or not isinstance(payload, dict):
        return False
    return any(
        isinstance(named, dict)
        and isinstance(ours := context.get(entity), dict)
        and "id" in named
        and "id" in ours
        and not same(named["id"], ours["id"])
        for entity, named in payload.items()
    )
