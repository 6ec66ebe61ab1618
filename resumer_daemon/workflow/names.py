"""The built-in names of templates: known to the engine, never in the context, before its keys."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from resumer_daemon.durations import seconds
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.references import bare, follow
from resumer_daemon.workflow.secretrefs import PREFIX
from resumer_daemon.workflow.values import MISSING

_LATER: Final = re.compile(r"now(?:\+|_plus_)(.+)")
_APPROVAL: Final = "approval.id"

_BUILT_IN: Final[Mapping[str, Callable[["Names"], str]]] = {
    "now": lambda names: rfc3339(names.now),
    "execution.id": lambda names: str(names.execution_id),
    "execution.key": lambda names: names.execution_key,
    "workflow.id": lambda names: names.workflow_id,
    "step.id": lambda names: names.step_id,
    "approval_url": lambda names: names.approval_url,
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the built-in names stand for in one step; `now` is aware, or taken as UTC."""

    now: datetime
    execution_id: UUID | str
    execution_key: str
    workflow_id: str
    step_id: str
    approval_id: UUID | str | None = None
    approval_url: str = ""


def rfc3339(moment: datetime) -> str:
    """Return a moment as text in UTC, cut to the second: `2026-01-31T09:30:00Z`."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def resolve(path: str, context: Mapping[str, Json], names: Names) -> Json:
    """Return what a path of a template stands for, unless it is a secret, or `MISSING`."""
    name = bare(path)
    if name.startswith(PREFIX):
        return MISSING
    if name in _BUILT_IN:
        return _BUILT_IN[name](names) or MISSING
    if name == _APPROVAL and names.approval_id is not None:
        return str(names.approval_id)
    delay = _delay(name)
    return follow(path, context) if delay is None else _later(names.now, delay)


def is_built_in(path: str) -> bool:
    """Tell whether a path of a template is a built-in name, whatever the context holds."""
    name = bare(path)
    return name in _BUILT_IN or name == _APPROVAL or _delay(name) is not None


def _delay(name: str) -> float | None:
    match = _LATER.fullmatch(name)
    return seconds(match[1]) if match else None


def _later(now: datetime, delay: float) -> Json:
    try:
        return rfc3339(now + timedelta(seconds=delay))
    except OverflowError:
        return MISSING
