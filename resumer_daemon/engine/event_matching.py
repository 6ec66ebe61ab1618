"""Match events to the branches that wait for them.

With `match`, each of its paths must have in the payload the value that was rendered when the pause
began. Without `match`, an event does not match if it names another entity than the execution: both
have `<entity>.id`, with different values. `resumer.may_end` applies the same rule in SQL before an
event becomes a request.
"""

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, TypeAlias

from resumer_daemon.engine.inputs import ResumeRequest
from resumer_daemon.engine.resume import OWN_NAMES
from resumer_daemon.engine.state import PAUSE, Branch
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.values import (
    MISSING,
    Json,
    find,
    is_number,
    lookup,
    to_text,
    values_equal,
)


def entities_of(context: Json, resume_data: Json) -> dict[str, Json]:
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


def matches_event(match: Mapping[str, Json], ours: Mapping[str, Json], payload: Json) -> bool:
    """Tell whether a payload matches a wait. `ours` are the entities of the execution."""
    if not isinstance(payload, dict):
        return not match
    if match:
        return all(_agrees(path, value, payload) for path, value in match.items())
    return not any(
        entity in ours and isinstance(named, dict) and "id" in named
        and not values_equal(named["id"], ours[entity])
        for entity, named in payload.items()
    )  # fmt: skip


def _agrees(path: str, value: Json, payload: Mapping[str, Json]) -> bool:
    try:
        return values_equal(lookup(path, payload), value)
    except StepError:
        return False


Paths: TypeAlias = tuple[str, ...]
Key: TypeAlias = tuple[str | None, ...]
Queue: TypeAlias = deque[tuple[int, Branch]]

_NONE: Final[Mapping[Paths, Mapping[Key, Queue]]] = {}


class WaitingBranches:
    """Branches by path. Waits for events also by type, paths of `match` and their values.

    `branches` are ordered by their wait, the longest first. `ours` are the entities of the
    execution. The index makes the search independent of the number of branches.
    """

    def __init__(self, branches: Sequence[Branch], ours: Mapping[str, Json]) -> None:
        self._ours = ours
        self._by_path = {branch.path: branch for branch in branches}
        self._events: dict[str | None, dict[Paths, dict[Key, Queue]]] = {}
        for number, branch in zip(count(), branches):
            match = branch.wait.match
            paths = tuple(sorted(match))
            of_type = self._events.setdefault(branch.wait.event, {})
            key = tuple(_text(match[path]) for path in paths)
            of_type.setdefault(paths, {}).setdefault(key, deque()).append((number, branch))

    def timer(self, request: ResumeRequest, ended: Container[str]) -> Branch | None:
        """Return the branch of a due timer, None if it is in `ended`."""
        path = request.decision or PAUSE
        return None if path in ended else self._by_path.get(path)

    def event(self, request: ResumeRequest, ended: Container[str]) -> Branch | None:
        """Return the matching branch that has waited longest, None if there is none.

        The decision of an event is its type. Branches in `ended` are left out.
        """
        types = list(self._events) if request.decision is None else [request.decision]
        payload = request.payload
        found = (
            (number, branch)
            for event in types
            for number, branch in self._candidates(self._events.get(event, _NONE), payload, ended)
            if matches_event(branch.wait.match, self._ours, payload)
        )
        first = min(found, key=lambda each: each[0], default=None)
        return None if first is None else first[1]

    def _candidates(
        self,
        of_type: Mapping[Paths, Mapping[Key, Queue]],
        payload: Json,
        ended: Container[str],
    ) -> Iterator[tuple[int, Branch]]:
        """Yield the first branch of each kind. Branches of one kind wait for the same event."""
        for paths, by_value in of_type.items():
            key = _key(paths, payload)
            queue = None if key is None else by_value.get(key)
            while queue and queue[0][1].path in ended:
                queue.popleft()
            if queue and key is not None:
                alike = None not in key  # without lists and objects, which have no key
                yield from [queue[0]] if alike else _not_ended(queue, ended)


def _not_ended(queue: Queue, ended: Container[str]) -> Iterable[tuple[int, Branch]]:
    return (each for each in queue if each[1].path not in ended)


def _key(paths: Paths, payload: Json) -> Key | None:
    """Return the values of a payload at these paths, None if one of them is missing."""
    if not paths:
        return ()
    if not isinstance(payload, dict):
        return None
    values = [find(path, payload) for path in paths]
    return None if any(value is MISSING for value in values) else tuple(map(_text, values))


def _text(value: Json) -> str | None:
    """Return the same text for equal values, None for lists and objects."""
    return to_text(value) if isinstance(value, str | bool) or is_number(value) else None
