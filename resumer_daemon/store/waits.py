"""Waits for events, as the fan-out finds them by an index.

Of all conditions of a wait one is its anchor, by which the index finds it. The others are compared
afterwards, so any anchor is correct. A selective one is fast.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json, is_number, printed

_LONGEST_TYPE: Final = 255  # characters that `events.event_type` has
_LONGEST_PATH: Final = 200
_LONGEST_ID: Final = 200
_MOST_ENTITIES: Final = 100
_TRUTHS: Final = frozenset({"true", "false"})  # which no key of an event has
# A path that PostgreSQL's `#>` follows as the engine does: no index of a list, no length.
_PLAIN_PATH: Final = re.compile(r"(?!.*\.length\Z)[^.{},]+(\.[A-Za-z_][^.{},]*)*\Z")


def can_come(event: str) -> bool:
    """Tell whether the service's table can hold an event of this type."""
    return len(event) <= _LONGEST_TYPE


@frozen
class EventWait:
    """One event that a pause waits for. `path` is the place of the branch, empty at the top."""

    path: str
    event: str
    match: Mapping[str, Json] = field(default_factory=dict)

    @property
    def can_come(self) -> bool:
        """Tell whether the service's table can hold such an event."""
        return can_come(self.event)


def comparable(ids: Mapping[str, Json]) -> dict[str, Json]:
    """Return the ids that SQL compares; the engine compares all of them under the lock."""
    short = {
        entity: identity
        for entity, identity in ids.items()
        if _is_scalar(identity) and len(entity) <= _LONGEST_PATH
        and len(printed(identity)) <= _LONGEST_ID
        and printed(identity) not in _TRUTHS
    }  # fmt: skip
    return dict(sorted(short.items())[:_MOST_ENTITIES])


def anchor(wait: EventWait, ids: Mapping[str, Json]) -> tuple[str, Json]:
    """Return the condition by which the index finds a wait, with its value.

    `=path`: the payload has the value there. `~entity`: it names no other one. Empty: none.
    """
    if wait.match:
        usable = [path for path, given in wait.match.items() if _is_anchor(path, given)]
        chosen = min(usable, key=lambda path: _unlikely(path, wait.match[path]), default=None)
        return ("", None) if chosen is None else (f"={chosen}", wait.match[chosen])
    subject = re.split(r"[^A-Za-z0-9]", wait.event, maxsplit=1)[0]
    entity = subject if subject in ids else min(ids, default=None)
    return ("", None) if entity is None else (f"~{entity}", ids[entity])


def _is_anchor(path: str, given: Json) -> bool:
    return _is_scalar(given) and len(path) <= _LONGEST_PATH and bool(_PLAIN_PATH.match(path))


def _is_scalar(given: Json) -> bool:
    return isinstance(given, str | bool) or is_number(given)


def _unlikely(path: str, given: Json) -> tuple[bool, bool, bool]:
    """Sort first what few events have in common, and what their keys have (`key_events.sql`)."""
    return printed(given) in _TRUTHS, path.count(".") > 1, not path.lower().endswith("id")
