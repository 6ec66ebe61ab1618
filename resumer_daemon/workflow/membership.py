"""Membership in long lists, by a set: the same list is asked again for each item of a `foreach`."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.references import reference
from resumer_daemon.workflow.values import printed, same

LONG: Final = 32
"""From so many members on a list is remembered."""

_REMEMBERED: Final = 4


@dataclass(frozen=True)
class _Known:
    """A list and what was found of it. It is kept with the answer, so that its id stays its own."""

    members: list[Json]

    @cached_property
    def keys(self) -> frozenset[Hashable]:
        """What its members are equal by."""
        return frozenset(map(_key, self.members))

    @cached_property
    def is_literal(self) -> bool:
        """Tell whether none of its members is a reference."""
        return not any(isinstance(each, str) and reference(each) for each in self.members)


_known: OrderedDict[int, _Known] = OrderedDict()


def among(value: Json, members: list[Json]) -> bool:
    """Tell whether one of the members is the same as the value."""
    if len(members) < LONG:
        return any(same(value, member) for member in members)
    return _key(value) in _of(members).keys


def is_literal(members: list[Json]) -> bool:
    """Tell whether a list is known to have no reference; short ones are not looked at."""
    return len(members) >= LONG and _of(members).is_literal


def _of(members: list[Json]) -> _Known:
    known = _known.get(id(members))
    if known is None:
        known = _known[id(members)] = _Known(members)
        if len(_known) > _REMEMBERED:
            _known.popitem(last=False)
    return known


def _key(value: Json) -> Hashable:
    """Return what two values have in common exactly when they are the `same`."""
    match value:
        case None:
            return None
        case list():
            return list, tuple(map(_key, value))
        case dict():
            return dict, frozenset((name, _key(member)) for name, member in value.items())
        case _:  # texts, numbers and booleans are the same when they read the same
            return printed(value)
