"""Decide whether an event is meant for an execution that waits for its type.

With `match`, every path of it leads in the payload to the value that was rendered when the pause
began. Without, an event that names another entity than the execution (`<entity>.id` in both,
different) is not meant. `resumer.may_end` asks the same in SQL, before an event becomes a request.
"""

from collections.abc import Mapping

from resumer_daemon.engine.resume import OWN_NAMES
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.values import Json, lookup, same


def entities(context: Json, resume_data: Json) -> dict[str, Json]:
    """Return the ids of the entities that an execution names, by entity.

    The daemon's own names in `resume_data`, such as `approval`, are not entities.
    """
    given = resume_data if isinstance(resume_data, dict) else {}
    brought = {name: value for name, value in given.items() if name not in OWN_NAMES}
    named = effective(context, brought)
    return {
        entity: value["id"]
        for entity, value in named.items()
        if isinstance(value, dict) and "id" in value
    }


def meant_for(match: Mapping[str, Json], ours: Mapping[str, Json], payload: Json) -> bool:
    """Tell whether this payload agrees with a wait. `ours` are the `entities` of the execution."""
    if not isinstance(payload, dict):
        return not match
    if match:
        return all(_agrees(path, value, payload) for path, value in match.items())
    return not any(
        entity in ours and isinstance(named, dict) and "id" in named
        and not same(named["id"], ours[entity])
        for entity, named in payload.items()
    )  # fmt: skip


def _agrees(path: str, value: Json, payload: Mapping[str, Json]) -> bool:
    try:
        return same(lookup(path, payload), value)
    except Fault:
        return False
