"""The state of an execution: where it stands, what it waits for, and the JSON of both.

It holds everything the engine needs to go on, and nothing that can be derived.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias
from uuid import UUID

from resumer_daemon.errors import OperationRefused
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import ActionStep, Step, WaitStep
from resumer_daemon.workflow.values import Json

Reason: TypeAlias = Literal["approval_required", "waiting_for_event", "waiting_for_time"]

PAUSE = ""
"""The path of the only branch of a pause at a step of the top level."""


@frozen
class NextSteps:
    """Where each answer to a pause leads: a top-level step's id, or None where the flow ends."""

    approved: str | None = None
    rejected: str | None = None
    expired: str | None = None
    timeout: str | None = None
    event: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored; a way that ends the flow is left out."""
        named = {
            "approved": self.approved,
            "refused": self.rejected,
            "expired": self.expired,
            "timeout": self.timeout,
            "event": self.event,
        }
        return {name: step for name, step in named.items() if step is not None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "NextSteps":
        """Read the stored form.

        Raises:
            TypeError: Something else wrote it.
        """
        given = dict(stored)
        if "refused" in given:
            given["rejected"] = given.pop("refused")
        return cls(**given)


@frozen
class WaitCondition:
    """The condition that ends the wait of a branch: approvals, an event, or a time.

    `approvals` is the number of approvals that are needed. None means all that the step requested.
    `minimum` is set for a pause of another program, where the daemon counted the approvals. If some
    of them are deleted, that many fewer are needed, but at least `minimum`. `created_for` maps an
    approval to the role that it was created for, because the service may change the role later.
    """

    approvals: int | None = None
    roles: tuple[str, ...] = ()
    event: str | None = None
    match: Mapping[str, Json] = field(default_factory=dict)
    due_at: datetime | None = None
    minimum: int | None = None
    created_for: Mapping[str, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored, without what is not waited for."""
        named = {
            "approvals": self.approvals,
            "roles": list(self.roles),
            "event": self.event,
            "match": self.match,
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "firm": self.minimum,
            "asked_of": self.created_for,
        }
        return {name: each for name, each in named.items() if each}

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "WaitCondition":
        """Read what `to_json` wrote.

        Raises:
            TypeError, ValueError, AttributeError: It was written by something else.
        """
        due_at = stored.get("due_at")
        return cls(
            approvals=stored.get("approvals"),
            roles=tuple(stored.get("roles", ())),
            event=stored.get("event"),
            match=stored.get("match", {}),
            due_at=None if due_at is None else datetime.fromisoformat(due_at),
            minimum=stored.get("firm"),
            created_for=stored.get("asked_of", {}),
        )


@frozen
class Branch:
    """One place that waits. `path` is `PAUSE` at the top level, else the place inside a container.

    `approval_ids` are the approvals that its step created; `since` is when it began to wait.
    """

    path: str
    step_id: str | None
    reason: Reason
    next_steps: NextSteps
    wait: WaitCondition
    approval_ids: tuple[UUID, ...] = ()
    since: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored in the state."""
        return {
            "path": self.path,
            "step": self.step_id,
            "reason": self.reason,
            "ways": self.next_steps.to_json(),
            "waiting": self.wait.to_json(),
            "asked": [str(each) for each in self.approval_ids],
            "since": None if self.since is None else self.since.isoformat(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "Branch":
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: It was written by something else.
        """
        since = stored["since"]
        return cls(
            path=stored["path"],
            step_id=stored["step"],
            reason=stored["reason"],
            next_steps=NextSteps.from_json(stored["ways"]),
            wait=WaitCondition.from_json(stored["waiting"]),
            approval_ids=tuple(UUID(each) for each in stored["asked"]),
            since=None if since is None else datetime.fromisoformat(since),
        )


WaitResult: TypeAlias = Literal["approved", "rejected", "expired", "event", "timeout"]
"""What ended the pause of a step inside a container, or a wait that has no way for its timeout."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class StepProgress:
    """One step under way, or one member that has ended.

    `began` and `clock` are when this attempt began: by the calendar, and in seconds of the run.
    `results` are the actions of its list that are done, `pending` the effect that is not, `asked`
    the approvals it created. `waits` is what a step inside of a container waits for; `reply` is
    what ended that, with the decision's reason in `note`.
    `ended`, `error`, `failed_as` and `final` tell how a member ended. `item`, `at` and `taken` say
    where a `foreach` stands: the item, the step of its body, how many steps the item has taken,
    and `rested` how many of them before the last resume.
    """

    attempt: int = 1
    began: datetime = EPOCH
    clock: float = 0.0
    results: tuple[Json, ...] = ()
    unresolved: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    pending: Mapping[str, Json] | None = None
    waits: Branch | None = None
    reply: WaitResult | None = None
    note: str | None = None
    ended: Literal["passed", "failed"] | None = None
    error: str | None = None
    failed_as: str | None = None
    final: bool = False
    item: int = 0
    at: int = 0
    taken: int = 0
    rested: int = 0

    @property
    def sends(self) -> bool:
        """Tell whether an effect of its list is handed over."""
        return self.pending is not None and not self.pending.get("failed")

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored: what says nothing is left out."""
        stored: dict[str, Json] = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                stored[name] = _written(value)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "StepProgress":
        """Read what `to_json` wrote; unknown keys are of a newer version, and ignored."""
        known = {name: stored[name] for name in _DEFAULTS if name in stored}
        if "began" in known:
            known["began"] = datetime.fromisoformat(known["began"])
        if "clock" in known:
            known["clock"] = float(known["clock"])
        if "waits" in known:
            known["waits"] = Branch.from_json(known["waits"])
        for name in _TUPLES.intersection(known):
            known[name] = tuple(known[name])
        return cls(**known)


def exact(seconds: float) -> Decimal:
    """Return a float as the JSON number that reads back as the same float."""
    return Decimal(repr(seconds))


def _written(value: object) -> Json:
    match value:
        case float():
            return exact(value)
        case Branch():
            return value.to_json()
        case tuple():
            return list(value)
        case datetime():
            return value.isoformat()
        case _:
            return value


_DEFAULTS: Mapping[str, object] = {each.name: each.default for each in fields(StepProgress)}
_TUPLES = frozenset({"results", "unresolved", "asked"})


Result: TypeAlias = Literal["allowed", "blocked", "executed"]
Awaits: TypeAlias = Literal["approval", "event", "time"]

AWAITS: Final[Mapping[Reason, Awaits]] = {
    "approval_required": "approval",
    "waiting_for_event": "event",
    "waiting_for_time": "time",
}

VERSION: Final = 1


class NewerState(OperationRefused):
    """A stored state that a newer version has written."""


class DamagedState(OperationRefused):
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
    done: Mapping[str, StepProgress] = field(default_factory=dict)
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
                raise NewerState(f"the state is of version {stored['v']}, known is {VERSION}")
            return _read(stored)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedState(f"the state cannot be read: {error!r}") from error


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
        done={path: StepProgress.from_json(progress) for path, progress in done.items()},
        awaits=stored.get("awaits"),
        time_left=_seconds(stored.get("time_left")),
        allowed_time=_seconds(stored.get("allowed_time")),
        clock=float(stored.get("clock", 0)),
        loads=dict(stored.get("loads", {})),
        moment=datetime.fromisoformat(stored["moment"]) if "moment" in stored else None,
    )


def _seconds(value: Json) -> float | None:
    return None if value is None else float(value)


def approval_next_steps(step: ActionStep, following: str | None) -> NextSteps:
    """Return the ways of a block that requires an approval; an expiry refuses unless it has one."""
    return NextSteps(
        approved=step.on_true or step.next or following,
        rejected=step.on_false,
        expired=step.on_timeout or step.on_false,
    )


def wait_next_steps(step: WaitStep, following: str | None) -> NextSteps:
    """Return the ways of a wait: on with the event or at the time, else after the timeout."""
    return NextSteps(event=step.on_event or step.next or following, timeout=step.on_timeout)


def targets(step: Step) -> frozenset[str]:
    """Return every step that this one names as a way."""
    named: list[str | None] = [step.next, step.on_error]
    match step.type:
        case "condition":
            named += [step.on_true, step.on_false]
        case "action":
            named += [step.on_true, step.on_false, step.on_timeout]
        case "wait":
            ways = wait_next_steps(step, None)
            named += [ways.event, ways.timeout]
    return frozenset(name for name in named if name)
