"""Where an execution stands: everything the engine needs to go on, and nothing it can derive."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from resumer_daemon.engine.branch import Branch, Reason
from resumer_daemon.engine.progress import EPOCH, Progress, exact
from resumer_daemon.errors import Refused
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json

Result: TypeAlias = Literal["allowed", "blocked", "executed"]
Awaits: TypeAlias = Literal["approval", "event", "time"]

AWAITS: Final[Mapping[Reason, Awaits]] = {
    "approval_required": "approval",
    "waiting_for_event": "event",
    "waiting_for_time": "time",
}

VERSION: Final = 1


class Newer(Refused):
    """A stored state that a newer version has written."""


class Damaged(Refused):
    """A stored state that no version has written."""


@frozen
class State:
    """The pointer and what surrounds it; a JSON round trip changes nothing.

    `step` is the top-level step to run (or that is under way); None means the flow has ended.
    `visits` counts how often each top-level step was entered, `taken` all of them and
    `taken_inside` those inside of them (the step budgets), since the start or the last resume.
    `result` and `reason` are of the last deciding action. `done` holds how far the step under way
    has come, by path: what waits inside of a container is part of that. `awaits` says what a pause
    at a step of the top level waits for.

    `loads` is what was found so far of `context.load`, by path, while the context is not built:
    None for what cannot be loaded.

    `moment` is when the last step began, while one is under way: no later one begins before it.

    `time_left` is what remains of the execution's timeout in seconds (None: no timeout),
    `allowed_time` what it was; `clock` the seconds run since the step under way was entered.
    """

    step: str | None
    visits: Mapping[str, int] = field(default_factory=dict)
    taken: int = 0
    taken_inside: int = 0
    result: Result = "executed"
    reason: str | None = None
    done: Mapping[str, Progress] = field(default_factory=dict)
    awaits: Awaits | None = None
    time_left: float | None = None
    allowed_time: float | None = None
    clock: float = 0.0
    loads: Mapping[str, Json] = field(default_factory=dict)
    moment: datetime | None = None

    @property
    def branches(self) -> tuple[Branch, ...]:
        """What waits inside of a container, the longest first."""
        waiting = [each.waits for each in self.done.values() if each.waits is not None]
        return tuple(sorted(waiting, key=_since)) if waiting else ()

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored; what says nothing is left out."""
        stored: dict[str, Json] = {"v": VERSION, "step": self.step}
        for name in ("visits", "taken", "taken_inside", "reason", "awaits", "loads"):
            value = getattr(self, name)
            if value:
                stored[name] = value
        if self.result != "executed":
            stored["result"] = self.result
        if self.done:
            stored["done"] = {path: progress.to_json() for path, progress in self.done.items()}
        if self.moment is not None:
            stored["moment"] = self.moment.isoformat()
        for name in ("time_left", "allowed_time", "clock"):
            seconds = getattr(self, name)
            if seconds is not None and (seconds or name != "clock"):
                stored[name] = exact(seconds)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "State":
        """Read what `to_json` wrote, of this version or an older one.

        Raises:
            Newer: It was written by a newer version.
            Damaged: It was written by nobody we know.
        """
        try:
            if stored["v"] > VERSION:
                raise Newer(f"the state is of version {stored['v']}, known is {VERSION}")
            return _read(stored)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"the state cannot be read: {error!r}") from error


def _since(branch: Branch) -> datetime:
    return branch.since or EPOCH


def _read(stored: Mapping[str, Json]) -> State:
    done = stored.get("done", {})
    return State(
        step=stored["step"],
        visits=dict(stored.get("visits", {})),
        taken=stored.get("taken", 0),
        taken_inside=stored.get("taken_inside", 0),
        result=stored.get("result", "executed"),
        reason=stored.get("reason"),
        done={path: Progress.from_json(progress) for path, progress in done.items()},
        awaits=stored.get("awaits"),
        time_left=_seconds(stored.get("time_left")),
        allowed_time=_seconds(stored.get("allowed_time")),
        clock=float(stored.get("clock", 0)),
        loads=dict(stored.get("loads", {})),
        moment=datetime.fromisoformat(stored["moment"]) if "moment" in stored else None,
    )


def _seconds(value: Json) -> float | None:
    return None if value is None else float(value)
