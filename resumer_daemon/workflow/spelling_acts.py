"""The entries of an `execute` list, in every spelling of their parameters."""

from collections.abc import Mapping
from typing import Final

from resumer_daemon.workflow.definition import Act
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.reading import (
    MISSPELT,
    NotUnderstood,
    Reader,
    alike,
    not_understood,
    within_gate,
)
from resumer_daemon.workflow.values import is_number

APPROVAL: Final = "create_approval_request"
"""The action that makes a block require an approval."""

_RECORDS: Final = ("create_record", "update_record")
_ALIASES: Final = {"http_request": "webhook"}
_BAGS: Final = ("config", "metadata", "fields", "data")

_ASKED: Final = ("approver_role", "approver_id", "requester_id", "expires_in")
_MEANT: Final = {"role": "approver_role", "timeout": "expires_in"}
_OF_BLOCK: Final = frozenset({"roles", "approvals", "groups", "users", "stages"})


def acts(reader: Reader) -> tuple[Act, ...]:
    """Read the `execute` list of a step.

    Raises:
        NotUnderstood: It is no list of objects.
    """
    return tuple(act(Reader(member, path)) for path, member in reader.members("execute"))


def act(reader: Reader) -> Act:
    """Read one action; an unknown type is told when it runs.

    Raises:
        NotUnderstood: Its type is no text, or it would ask somebody else than is written.
    """
    written_type = reader.text("type", "action") or ""
    kind = _ALIASES.get(written_type, written_type)
    params = _parameters(kind, reader.written)
    if kind == APPROVAL:
        with within_gate():
            _refuse_others(params, reader.path)
    goes_on = params.pop("continue_on_error", None) is True
    return Act(type=kind, params=params, continue_on_error=goes_on)


def _refuse_others(params: Mapping[str, Json], path: str) -> None:
    """Refuse parameters that say whom to ask, or for how long, and would be ignored."""
    role = params.get("approver_role")
    if isinstance(role, str) and role and not role.strip():
        raise NotUnderstood(f"{path}.approver_role", "expected a role, found an empty text")
    if role is not None and not isinstance(role, str) and not is_number(role):
        raise not_understood(f"{path}.approver_role", role, "a text")
    for key, value in params.items():
        if key in _ASKED or value in (None, "", [], {}):
            continue
        if key == "requires":
            raise NotUnderstood(f"{path}.{key}", "requires belongs on the block")
        if key in _OF_BLOCK:
            raise NotUnderstood(f"{path}.{key}", f"{key} belongs into requires of the block")
        if meant := _MEANT.get(key) or alike(key, _ASKED, MISSPELT):
            raise NotUnderstood(f"{path}.{key}", f"unknown key, did you mean {meant}?")


def _parameters(kind: str, written: Mapping[str, Json]) -> dict[str, Json]:
    if kind in _RECORDS:
        return _record(written)
    if kind == "notify":
        # Beside what is told, `data` is what the text is rendered with, and holds no parameters.
        params = _merged(written, ("config", "metadata", "fields"))
        if params.keys() & {"template", "message"}:
            return params
    return _merged(written, _BAGS)


def _merged(written: Mapping[str, Json], bags: tuple[str, ...]) -> dict[str, Json]:
    """Return the parameters of all places; what stands on the action itself wins."""
    params: dict[str, Json] = {}
    for bag in bags:
        params |= _object(written.get(bag))
    beside = {key: value for key, value in written.items() if key not in {"type", "action", *bags}}
    return params | beside


def _record(written: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of a record, where `data` and `fields` are mostly the record itself.

    Only where the entity is named nowhere else they hold the parameters, and the record among them.
    """
    params = _merged(written, ("config", "metadata"))
    if "entity" not in params:
        inside = {**_object(params.pop("fields", None)), **_object(params.pop("data", None))}
        params |= {key: inside.pop(key) for key in ("entity", "entity_id") if key in inside}
        params |= inside if {"data", "fields"} & inside.keys() else {"data": inside}
    fields = params.pop("fields", None)
    return {"data": fields} | params if fields is not None else params


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
