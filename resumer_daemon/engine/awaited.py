"""The branches that wait for events or timers, by what they wait for: there may be thousands."""

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, TypeAlias

from resumer_daemon.engine.branch import PAUSE, Branch
from resumer_daemon.engine.match import meant_for
from resumer_daemon.engine.requests import Request
from resumer_daemon.workflow.values import MISSING, Json, find, is_number, printed

Paths: TypeAlias = tuple[str, ...]
Key: TypeAlias = tuple[str | None, ...]
Queue: TypeAlias = deque[tuple[int, Branch]]

_NONE: Final[Mapping[Paths, Mapping[Key, Queue]]] = {}


class Awaited:
    """Branches by path and, where they wait for events, by type, paths of `match` and values there.

    `branches` come the longest wait first; `ours` are the entities of the execution.
    """

    def __init__(self, branches: Sequence[Branch], ours: Mapping[str, Json]) -> None:
        self._ours = ours
        self._by_path = {branch.path: branch for branch in branches}
        self._events: dict[str | None, dict[Paths, dict[Key, Queue]]] = {}
        for number, branch in zip(count(), branches):
            match = branch.waiting.match
            paths = tuple(sorted(match))
            of_type = self._events.setdefault(branch.waiting.event, {})
            key = tuple(_text(match[path]) for path in paths)
            of_type.setdefault(paths, {}).setdefault(key, deque()).append((number, branch))

    def timer(self, request: Request, heard: Container[str]) -> Branch | None:
        """Return the branch whose time is up, unless it was `heard` already."""
        path = request.decision or PAUSE
        return None if path in heard else self._by_path.get(path)

    def event(self, request: Request, heard: Container[str]) -> Branch | None:
        """Return the branch that has waited longest of those that an event is meant for.

        The decision of an event is its type. Those that were `heard` already are left out.
        """
        types = list(self._events) if request.decision is None else [request.decision]
        payload = request.payload
        found = (
            (number, branch)
            for event in types
            for number, branch in self._fitting(self._events.get(event, _NONE), payload, heard)
            if meant_for(branch.waiting.match, self._ours, payload)
        )
        first = min(found, key=lambda each: each[0], default=None)
        return None if first is None else first[1]

    def _fitting(
        self,
        of_type: Mapping[Paths, Mapping[Key, Queue]],
        payload: Json,
        heard: Container[str],
    ) -> Iterator[tuple[int, Branch]]:
        """Yield the first branch of each kind: what it waits for, all others of its kind do."""
        for paths, by_value in of_type.items():
            key = _key(paths, payload)
            queue = None if key is None else by_value.get(key)
            while queue and queue[0][1].path in heard:
                queue.popleft()
            if queue and key is not None:
                alike = None not in key  # lists and objects are compared one by one
                yield from [queue[0]] if alike else _unheard(queue, heard)


def _unheard(queue: Queue, heard: Container[str]) -> Iterable[tuple[int, Branch]]:
    return (each for each in queue if each[1].path not in heard)


def _key(paths: Paths, payload: Json) -> Key | None:
    """Return what a payload has at these paths, None where one leads nowhere."""
    if not paths:
        return ()
    if not isinstance(payload, dict):
        return None
    values = [find(path, payload) for path in paths]
    return None if any(value is MISSING for value in values) else tuple(map(_text, values))


def _text(value: Json) -> str | None:
    """Return the same text for values that are equal; None for what is no scalar."""
    return printed(value) if isinstance(value, str | bool) or is_number(value) else None
