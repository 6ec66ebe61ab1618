"""Columns of the statements that write pauses and their event waits.

One condition of a wait is its anchor, by which an index finds the wait. The others are compared
afterwards. Any anchor is correct. A selective one is fast.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import field

from resumer_daemon.engine.event_matching import entities_of
from resumer_daemon.engine.plan import PauseToOpen, Plan
from resumer_daemon.engine.state import Branch
from resumer_daemon.engine.vocabulary import ENDED_STATUSES
from resumer_daemon.frozen import Frozen
from resumer_daemon.store.arrays import array
from resumer_daemon.workflow.values import Json, dump, is_number, to_text

_MAX_TYPE: Final = 255  # characters that `events.event_type` has
_MAX_PATH: Final = 200
_MAX_ID: Final = 200
_MAX_ENTITIES: Final = 100
_BOOLEANS: Final = frozenset({"true", "false"})  # no key of an event has these
# A path that PostgreSQL's `#>` follows as the engine does: no index of a list, no length.
_PLAIN_PATH: Final = re.compile(r"(?!.*\.length\Z)[^.{},]+(\.[A-Za-z_][^.{},]*)*\Z")


def can_be_stored(event: str) -> bool:
    """Return whether the service's table can hold an event of this type."""
    return len(event) <= _MAX_TYPE


class EventWait(Frozen):
    """One event that a pause waits for. `path` is that of the branch, empty at the top level."""

    path: str
    event: str
    match: Mapping[str, Json] = field(default_factory=dict)

    @property
    def can_be_stored(self) -> bool:
        """True if the service's table can hold such an event."""
        return can_be_stored(self.event)


def comparable(ids: Mapping[str, Json]) -> dict[str, Json]:
    """Return the ids that SQL compares. The engine compares all of them under the lock."""
    short = {
        entity: identity
        for entity, identity in ids.items()
        if _is_scalar(identity) and len(entity) <= _MAX_PATH
        and len(to_text(identity)) <= _MAX_ID
        and to_text(identity) not in _BOOLEANS
    }  # fmt: skip
    return dict(sorted(short.items())[:_MAX_ENTITIES])


def anchor(wait: EventWait, ids: Mapping[str, Json]) -> tuple[str, Json]:
    """Return the condition by which the index finds a wait, with its value.

    `=path`: the payload has the value there. `~entity`: it names no other entity. Empty: any event.
    """
    if wait.match:
        usable = [path for path, value in wait.match.items() if _is_anchor(path, value)]
        chosen = min(usable, key=lambda path: _unlikely(path, wait.match[path]), default=None)
        return ("", None) if chosen is None else (f"={chosen}", wait.match[chosen])
    subject = re.split(r"[^A-Za-z0-9]", wait.event, maxsplit=1)[0]
    entity = subject if subject in ids else min(ids, default=None)
    return ("", None) if entity is None else (f"~{entity}", ids[entity])


def _is_anchor(path: str, value: Json) -> bool:
    return _is_scalar(value) and len(path) <= _MAX_PATH and bool(_PLAIN_PATH.match(path))


def _is_scalar(value: Json) -> bool:
    return isinstance(value, str | bool) or is_number(value)


def _unlikely(path: str, value: Json) -> tuple[bool, bool, bool]:
    """Sort key: prefer values that few events share and that are in their keys."""
    return to_text(value) in _BOOLEANS, path.count(".") > 1, not path.lower().endswith("id")


def to_close(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the pauses that end, with their approvals."""
    pauses = [p.claimed.pause for p in plans if p.claimed.pause is not None]
    return {
        "execution_ids": [p.claimed.id for p in plans],
        "numbers": [pause.number for pause in pauses],
        "resumed_by": [p.closed_by for p in plans],
        "approval_ids": [
            array(a.id for a in pause.own_approvals(p.claimed.approvals))
            for p, pause in zip(plans, pauses, strict=True)
        ],
    }


def to_open(opening: Sequence[tuple[Plan, PauseToOpen]]) -> dict[str, list[Any]]:
    """Return the pauses to insert."""
    pauses = [pause for _, pause in opening]
    return {
        "execution_ids": [plan.claimed.id for plan, _ in opening],
        "numbers": [p.number for p in pauses],
        "reasons": [p.reason for p in pauses],
        "step_ids": [p.step_id for p in pauses],
        "next_steps": [dump(p.next_steps.to_json()) for p in pauses],
        "waitings": [dump(p.wait.to_json()) for p in pauses],
        "states": [None if p.state is None else dump(p.state.to_json()) for p in pauses],
        "definitions": [p.definition for p in pauses],
        "incidents": [None if p.incident is None else dump(p.incident.to_json()) for p in pauses],
        "manual_pauses": [
            None if p.manual_pause is None else dump(p.manual_pause.to_json()) for p in pauses
        ],
        "approval_ids": [array(p.approval_ids) for p in pauses],
        "prior_approval_ids": [array(p.prior_approval_ids) for p in pauses],
    }


def awaited_events(plan: Plan) -> list[EventWait]:
    """Return the events that an execution waits for, one for each branch that waits for one."""
    return [
        EventWait(branch.path, branch.wait.event, branch.wait.match)
        for branch in plan.branches
        if branch.wait.event is not None
    ]


def event_waits(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the event waits to insert with these plans."""
    rows = [
        (plan.claimed.id, plan.pause_number, wait, _entities(plan, wait.match))
        for plan in plans
        for wait in awaited_events(plan)
        if wait.can_be_stored
    ]
    anchors = [anchor(wait, entities) for _, _, wait, entities in rows]
    return {
        "execution_ids": [execution for execution, _, _, _ in rows],
        "numbers": [number for _, number, _, _ in rows],
        "paths": [wait.path for _, _, wait, _ in rows],
        "event_types": [wait.event for _, _, wait, _ in rows],
        "matches": [dump(dict(wait.match)) for _, _, wait, _ in rows],
        "entities": [dump(dict(entities)) for _, _, _, entities in rows],
        "anchors": [condition for condition, _ in anchors],
        "values": [None if value is None else dump(value) for _, value in anchors],
    }


def ended_event_waits(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the pauses whose event waits end or are inserted again."""
    ended = [(p.claimed.id, number) for p in plans for number in _waited_at(p)]
    return {"execution_ids": [e for e, _ in ended], "numbers": [n for _, n in ended]}


def _waited_at(plan: Plan) -> list[int | None]:
    """Return the numbers of the pauses whose waits end; None as number: all waits."""
    pause = plan.claimed.pause
    if plan.status == "cancelled" or plan.claimed.status in ENDED_STATUSES:
        return [None]  # only the daemon that runs it knows the waits beside effects
    if pause is None:
        return [plan.claimed.last_pause + 1] if _await_events(plan.branches_before) else []
    return [pause.number] if plan.closed_by and _await_events(pause.branches) else []


def _await_events(branches: Sequence[Branch]) -> bool:
    return any(branch.wait.event is not None for branch in branches)


def _entities(plan: Plan, match: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the entities of the context, which a wait without `match` compares."""
    if match:
        return {}
    claimed = plan.claimed
    context = claimed.context if plan.context is None else plan.context
    data = claimed.resume_data if plan.resume_data is None else plan.resume_data
    return comparable(entities_of(context, data))


def incidents(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the open pauses that become incidents."""
    return {
        **keys(plans),
        "incidents": [dump(p.incident.to_json()) for p in plans if p.incident is not None],
    }


def manual_pauses(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the open pauses that get a manual pause."""
    return {
        **keys(plans),
        "manual_pauses": [
            dump(p.manual_pause.to_json()) for p in plans if p.manual_pause is not None
        ],
    }


def keys(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Return the keys of the open pauses of these plans, each of which has one."""
    pauses = [(p.claimed.id, p.claimed.pause) for p in plans]
    return {
        "execution_ids": [execution for execution, _ in pauses],
        "numbers": [pause.number for _, pause in pauses if pause is not None],
    }
