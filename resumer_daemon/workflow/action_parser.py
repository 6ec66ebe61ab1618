"""Parse action steps, the approval that a block requires, and lists of actions."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from resumer_daemon.workflow.definition import Action, ActionStep, Requires
from resumer_daemon.workflow.reader import (
    MISSPELT,
    ParseError,
    Reader,
    alike,
    not_understood,
    within_gate,
)
from resumer_daemon.workflow.values import Json, is_number, to_text

REQUIRE_APPROVAL: Final = "require_approval"
"""The type, of a step or of its action, of a block that requires an approval."""

KEYS: Final = ("type", "role", "approver_role", "roles", "approvals", "timeout", "expires_in")
"""The keys of `requires`."""

_NOT_YET: Final = ("groups", "users", "stages", "exclude", "self_approval", "escalate", "form")
_MISPLACED: Final = frozenset({*KEYS, "approver", *_NOT_YET} - {"type", "timeout"})
_BESIDE: Final = (
    *("requires", "timeout", "role", "roles", "approver_role", "approvals", "expires_in"),
    *("on_true", "on_false", "on_reject", "on_timeout", "on_expired", "on_error"),
)
_EMPTY: Final[tuple[Json, ...]] = (None, "", [], {})
_METADATA: Final = ("approval_required", "approver_role", "auto_expire")

MOST_APPROVALS: Final = 100
"""The most approvals that a block may require. Each becomes a row."""


def action_step(step: Reader, common: dict[str, Any]) -> ActionStep:
    """Read a step of type `action` or `require_approval`.

    Raises:
        ParseError: A part of it is invalid.
    """
    action = _action(step)
    written = step.value("action") if action is step else action.own("type", "action")
    asks = REQUIRE_APPROVAL in (written, step.value("type"))
    decision = "block" if asks else _decision(step, written)
    execute = parse_actions(action)
    asks = asks or any(act.type == APPROVAL for act in execute)
    requires = _gate(step, action, decision, asks)
    asked = {} if requires is None else {"expires_in": _deadline(step, action)}
    # If the step's timeout is the deadline of the approval, it does not limit the actions.
    limits = requires is None or step.value("timeout") != asked["expires_in"]
    return ActionStep(
        timeout=step.duration("timeout") if limits else None,
        action=decision,
        reason=action.text("reason"),
        requires=requires and requires.model_copy(update=asked),
        execute=execute,
        on_true=step.way("on_true"),
        on_false=step.way("on_false", "on_reject"),
        on_timeout=step.way("on_timeout", "on_expired"),
        **common,
    )


def _gate(step: Reader, action: Reader, decision: str, asks: bool) -> Requires | None:
    """Return the approval that a step requires. Only a block can require one."""
    with within_gate():
        if decision == "block":
            return _requires(step, action, asks)
        for reader in (action, step):
            refuse_requires(reader)
    return None


def refuse_requires(reader: Reader) -> None:
    """Refuse `requires` on a step that cannot pause. An empty one is allowed.

    Raises:
        ParseError: It has a value.
    """
    if reader.own("requires") not in (None, [], {}):
        path, _ = reader.located("requires")
        raise ParseError(path, "only a block can require an approval, so this step would not pause")


def _action(step: Reader) -> Reader:
    """Return a reader of the action: the object `action`, or else the step itself."""
    return step.inner("action", beneath=step) if isinstance(step.value("action"), dict) else step


def _decision(step: Reader, written: Json) -> Literal["allow", "block", "execute"]:
    match written:
        case "allow":
            return "allow"
        case "block":
            return "block"
        case "execute":
            return "execute"
    expected = f"allow, block, execute or {REQUIRE_APPROVAL}"
    raise not_understood(f"{step.path}.action", written, expected)


def _requires(step: Reader, action: Reader, asks: bool) -> Requires | None:
    """Return the approval that a block requires in any of the supported forms."""
    on_step = step.inner("requires"), step.inner("metadata")
    requires = action.inner("requires", beneath=on_step[0])
    metadata = action.inner("metadata", beneath=on_step[1])
    for reader in (requires, on_step[0]):
        reader.only(KEYS, "requires")
        if reader.own("type") not in (None, "approval"):
            raise reader.wrong("type", "approval")
    asks = asks or any(reader.own("type") == "approval" for reader in (requires, on_step[0]))
    asking = [each for each in (metadata, on_step[1]) if each.own("approval_required") is True]
    if not asks and not asking:
        return None
    for reader in (action, step):
        _refuse_misplaced(reader)
    for reader in asking:
        _refuse_ignored(reader)
    return Requires(
        role=_role(requires, "role", "approver_role") or _role(metadata, "approver_role"),
        approvals=_approvals(requires),
        roles=_roles(requires),
    )


def _refuse_misplaced(reader: Reader) -> None:
    """Refuse keys of `requires` on the step or on the action, where they have no effect."""
    for key, value in _given(reader):
        if key in _MISPLACED:
            raise ParseError(f"{reader.path}.{key}", f"{key} belongs in requires")
        if meant := _misspelt(key, value):
            raise ParseError(f"{reader.path}.{key}", f"unknown key, did you mean {meant}?")


def _misspelt(key: str, value: Json) -> str | None:
    """Return the key that a misspelt one probably means, if any."""
    if key in _BESIDE:
        return None
    return alike(key, ("requires",)) if isinstance(value, dict) else alike(key, _BESIDE, MISSPELT)


def _refuse_ignored(metadata: Reader) -> None:
    """Refuse keys of metadata with an approval that would have no effect."""
    for key, _ in _given(metadata):
        if key in _METADATA:
            continue
        if key in _MISPLACED or key == "timeout":
            raise ParseError(f"{metadata.path}.{key}", f"{key} belongs in requires")
        if meant := alike(key, _METADATA, MISSPELT):
            raise ParseError(f"{metadata.path}.{key}", f"unknown key, did you mean {meant}?")


def _given(reader: Reader) -> Iterator[tuple[str, Json]]:
    return ((key, value) for key, value in reader.written.items() if value not in _EMPTY)


def _role(reader: Reader, *keys: str) -> str | None:
    """Return a role. A blank one is refused."""
    role = reader.text(*keys)
    if role is not None and not role.strip():
        raise ParseError(reader.located(*keys)[0], "expected a role, found an empty text")
    return role


def _deadline(step: Reader, action: Reader) -> Json:
    """Return the duration of the approval. `timeout` beside `requires` counts too."""
    requires = action.inner("requires", beneath=step.inner("requires"))
    metadata = action.inner("metadata", beneath=step.inner("metadata"))
    given = requires.delay("timeout", "expires_in")
    if given is None:
        given = action.delay("timeout")
    return metadata.delay("auto_expire") if given is None else given


def _approvals(requires: Reader) -> int | None:
    number = requires.whole("approvals")
    if number is None or 1 <= number <= MOST_APPROVALS:
        return number
    raise requires.wrong("approvals", f"a number from 1 to {MOST_APPROVALS}")


def _roles(requires: Reader) -> tuple[str, ...]:
    roles = requires.texts("roles")
    for path, role in requires.members("roles"):
        if not to_text(role).strip():
            raise ParseError(path, "expected a role, found an empty text")
    if len(roles) > MOST_APPROVALS:
        raise requires.wrong("roles", f"at most {MOST_APPROVALS} roles")
    return roles


APPROVAL: Final = "create_approval_request"
"""The action that makes a block require an approval."""

_RECORDS: Final = ("create_record", "update_record")
_ALIASES: Final = {"http_request": "webhook"}
_BAGS: Final = ("config", "metadata", "fields", "data")

_ASKED: Final = ("approver_role", "approver_id", "requester_id", "expires_in")
_MEANT: Final = {"role": "approver_role", "timeout": "expires_in"}
_OF_BLOCK: Final = frozenset({"roles", "approvals", "groups", "users", "stages"})


def parse_actions(reader: Reader) -> tuple[Action, ...]:
    """Read the `execute` list of a step.

    Raises:
        ParseError: It is not a list of objects.
    """
    return tuple(parse_action(Reader(member, path)) for path, member in reader.members("execute"))


def parse_action(reader: Reader) -> Action:
    """Read one action. An unknown type fails when the action runs.

    Raises:
        ParseError: Its type is not a text, or a parameter of an approval would be ignored.
    """
    written_type = reader.text("type", "action") or ""
    kind = _ALIASES.get(written_type, written_type)
    params = _parameters(kind, reader.written)
    if kind == APPROVAL:
        with within_gate():
            _refuse_others(params, reader.path)
    goes_on = params.pop("continue_on_error", None) is True
    return Action(type=kind, params=params, continue_on_error=goes_on)


def _refuse_others(params: Mapping[str, Json], path: str) -> None:
    """Refuse parameters that name approvers or a duration and would be ignored."""
    role = params.get("approver_role")
    if isinstance(role, str) and role and not role.strip():
        raise ParseError(f"{path}.approver_role", "expected a role, found an empty text")
    if role is not None and not isinstance(role, str) and not is_number(role):
        raise not_understood(f"{path}.approver_role", role, "a text")
    for key, value in params.items():
        if key in _ASKED or value in (None, "", [], {}):
            continue
        if key == "requires":
            raise ParseError(f"{path}.{key}", "requires belongs on the block")
        if key in _OF_BLOCK:
            raise ParseError(f"{path}.{key}", f"{key} belongs in requires of the block")
        if meant := _MEANT.get(key) or alike(key, _ASKED, MISSPELT):
            raise ParseError(f"{path}.{key}", f"unknown key, did you mean {meant}?")


def _parameters(kind: str, written: Mapping[str, Json]) -> dict[str, Json]:
    if kind in _RECORDS:
        return _record(written)
    if kind == "notify":
        # Beside a message, `data` is the data of the template and holds no parameters.
        params = _merged(written, ("config", "metadata", "fields"))
        if params.keys() & {"template", "message"}:
            return params
    return _merged(written, _BAGS)


def _merged(written: Mapping[str, Json], bags: tuple[str, ...]) -> dict[str, Json]:
    """Return the parameters of all places. Those on the action itself win."""
    params: dict[str, Json] = {}
    for bag in bags:
        params |= _object(written.get(bag))
    beside = {key: value for key, value in written.items() if key not in {"type", "action", *bags}}
    return params | beside


def _record(written: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of a record. `data` and `fields` are usually the record itself.

    If they alone name the entity, they hold the parameters, and the record is among them.
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
