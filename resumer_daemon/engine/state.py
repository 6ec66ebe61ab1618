"""The state of an execution, what its branches wait for, and the stored JSON of both.

A state holds everything that the engine needs to continue, and nothing that can be derived.

Rules of the stored form:

- `v` is its version. `State.from_json` refuses a newer one: a newer daemon continues the execution.
- A key with its default is left out, and a reader ignores keys that it does not know. A new
  optional key therefore needs no new version.
- A change that older daemons would misread raises `VERSION`. Then `_read` must still read all older
  versions, and `tests/unit/engine/states` keeps an example of each.
- The keys are older than the names of the fields, and SQL reads some of them. They do not change.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import fields

from resumer_daemon.engine.vocabulary import WaitReason
from resumer_daemon.errors import OperationRefused
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import ActionStep, Step, WaitStep
from resumer_daemon.workflow.values import Json

VERSION: Final = 1
"""The version of the stored form that this program writes."""

PAUSE = ""
"""The path of the branch of a pause at a top-level step. Such a pause has one branch."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Result: TypeAlias = Literal["allowed", "blocked", "executed"]
Awaits: TypeAlias = Literal["approval", "event", "time"]
WaitResult: TypeAlias = Literal["approved", "rejected", "expired", "event", "timeout"]
"""The end of a wait."""

AWAITS: Final[Mapping[WaitReason, Awaits]] = {
    "approval_required": "approval",
    "waiting_for_event": "event",
    "waiting_for_time": "time",
}


class NewerState(OperationRefused):
    """A stored state that a newer version has written."""


class DamagedState(OperationRefused):
    """A stored state that no version has written."""


class NextSteps(Frozen):
    """The top-level step that follows each end of a wait. None ends the flow."""

    approved: str | None = None
    rejected: str | None = None
    expired: str | None = None
    timeout: str | None = None
    event: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the stored form, without ends of the flow."""
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
        given = {**stored}  # a list, which dict() would take, is a TypeError here
        rejected = given.pop("refused", None)
        return cls(rejected=rejected, **given)


class WaitCondition(Frozen):
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
        """Return the stored form, without empty conditions."""
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
        """Read the stored form.

        Raises:
            TypeError, ValueError, AttributeError: Something else wrote it.
        """
        return cls(
            approvals=stored.get("approvals"),
            roles=tuple(stored.get("roles", ())),
            event=stored.get("event"),
            match=stored.get("match", {}),
            due_at=_time(stored.get("due_at")),
            minimum=stored.get("firm"),
            created_for=stored.get("asked_of", {}),
        )


class Branch(Frozen):
    """A step that waits. `path` is `PAUSE` at the top level, else its place inside a container.

    `approval_ids` are the approvals that its step created. `since` is when it began to wait.
    """

    path: str
    step_id: str | None
    reason: WaitReason
    next_steps: NextSteps
    wait: WaitCondition
    approval_ids: tuple[UUID, ...] = ()
    since: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the stored form."""
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
        """Read the stored form.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: Something else wrote it.
        """
        return cls(
            path=stored["path"],
            step_id=stored["step"],
            reason=stored["reason"],
            next_steps=NextSteps.from_json(stored["ways"]),
            wait=WaitCondition.from_json(stored["waiting"]),
            approval_ids=tuple(UUID(each) for each in stored["asked"]),
            since=_time(stored["since"]),
        )


class StepProgress(Struct):
    """The progress of one step under way, or the end of one member of a container.

    - `began`, `clock`: when this attempt began, as a time and in seconds of the run.
    - `results`, `pending`: the finished actions of its list, and the effect of the current one.
    - `approval_ids`: the approvals that it created.
    - `branch`: its wait, inside a container. `wait_result` is how the wait ended, and `note` the
      reason of the decision.
    - `ended`, `error`, `retry_class`, `final`: how a member ended.
    - `item`, `position`, `steps_taken`: the current item of a `foreach`, the position in its body,
      and the steps that the item has taken. `steps_before_resume` of these were before the last
      resume.
    """

    attempt: int = 1
    began: datetime = EPOCH
    clock: float = 0.0
    results: tuple[Json, ...] = ()
    unresolved: tuple[str, ...] = ()
    approval_ids: tuple[str, ...] = ()
    pending: Mapping[str, Json] | None = None
    branch: Branch | None = None
    wait_result: WaitResult | None = None
    note: str | None = None
    ended: Literal["passed", "failed"] | None = None
    error: str | None = None
    retry_class: str | None = None
    final: bool = False
    item: int = 0
    position: int = 0
    steps_taken: int = 0
    steps_before_resume: int = 0

    @property
    def in_flight(self) -> bool:
        """Tell whether an effect of its list waits for a result."""
        return self.pending is not None and not self.pending.get("failed")

    def to_json(self) -> dict[str, Json]:
        """Return the stored form, without defaults."""
        stored: dict[str, Json] = {}
        for name, key, default in _PROGRESS_KEYS:
            value = getattr(self, name)
            if value != default:
                stored[key] = _to_json(value)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "StepProgress":
        """Read the stored form. Unknown keys are from a newer version, and are ignored."""
        known = {name: stored[key] for name, key, _ in _PROGRESS_KEYS if key in stored}
        if "began" in known:
            known["began"] = datetime.fromisoformat(known["began"])
        if "clock" in known:
            known["clock"] = float(known["clock"])
        if "branch" in known:
            known["branch"] = Branch.from_json(known["branch"])
        for name in _TUPLES.intersection(known):
            known[name] = tuple(known[name])
        return cls(**known)


_STORED_AS: Final = {
    "approval_ids": "asked",
    "branch": "waits",
    "wait_result": "reply",
    "retry_class": "failed_as",
    "position": "at",
    "steps_taken": "taken",
    "steps_before_resume": "rested",
}
_PROGRESS_KEYS: Final = tuple(
    (each.name, _STORED_AS.get(each.name, each.name), each.default) for each in fields(StepProgress)
)
_TUPLES = frozenset({"results", "unresolved", "approval_ids"})


class State(Frozen):
    """The position of an execution in its workflow, and what belongs to it.

    - `step`: the top-level step to run, or under way. None: the flow has ended.
    - `visits`: how often each top-level step was entered since the start or the last resume.
    - `steps_taken`, `steps_taken_inside`: the steps since then at the top level and inside
      containers, for the step budgets.
    - `result`, `reason`: of the last deciding action.
    - `progress`: of the step under way and the steps inside it, by path. Includes their branches.
    - `awaits`: the kind of wait of a pause at a top-level step.
    - `time_left`, `allowed_time`: the rest and the whole of the timeout in seconds, None without
      one.
    - `clock`: the seconds run since the step under way was entered.
    - `loaded`: documents of `context.load` by path, until the context is built. None for a document
      that could not be loaded.
    - `last_step_began`: set while a step is under way. No later step begins before it.
    """

    step: str | None
    visits: Mapping[str, int] = field(default_factory=dict)
    steps_taken: int = 0
    steps_taken_inside: int = 0
    result: Result = "executed"
    reason: str | None = None
    progress: Mapping[str, StepProgress] = field(default_factory=dict)
    awaits: Awaits | None = None
    time_left: float | None = None
    allowed_time: float | None = None
    clock: float = 0.0
    loaded: Mapping[str, Json] = field(default_factory=dict)
    last_step_began: datetime | None = None

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that wait inside a container, the longest first."""
        if not self.progress:
            return ()
        waiting = [each.branch for each in self.progress.values() if each.branch is not None]
        return tuple(sorted(waiting, key=_since)) if waiting else ()

    def to_json(self) -> dict[str, Json]:
        """Return the stored form, without defaults."""
        stored: dict[str, Json] = {"v": VERSION, "step": self.step}
        optional = {
            "visits": self.visits,
            "taken": self.steps_taken,
            "taken_inside": self.steps_taken_inside,
            "reason": self.reason,
            "awaits": self.awaits,
            "loads": self.loaded,
        }
        stored |= {key: value for key, value in optional.items() if value}
        if self.result != "executed":
            stored["result"] = self.result
        if self.progress:
            stored["done"] = {path: each.to_json() for path, each in self.progress.items()}
        if self.last_step_began is not None:
            stored["moment"] = self.last_step_began.isoformat()
        if self.time_left is not None:
            stored["time_left"] = exact(self.time_left)
        if self.allowed_time is not None:
            stored["allowed_time"] = exact(self.allowed_time)
        if self.clock:
            stored["clock"] = exact(self.clock)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "State":
        """Read the stored form of this version or an older one.

        Raises:
            NewerState: A newer version wrote it.
            DamagedState: No version wrote it.
        """
        try:
            if stored["v"] > VERSION:
                raise NewerState(
                    f"the state has version {stored['v']}, this program reads up to {VERSION}"
                )
            return _read(stored)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedState(f"the state cannot be read: {error!r}") from error


def _read(stored: Mapping[str, Json]) -> State:
    done = stored.get("done", {})
    return State(
        step=stored["step"],
        visits={**stored.get("visits", {})},
        steps_taken=stored.get("taken", 0),
        steps_taken_inside=stored.get("taken_inside", 0),
        result=stored.get("result", "executed"),
        reason=stored.get("reason"),
        progress={path: StepProgress.from_json(each) for path, each in done.items()},
        awaits=stored.get("awaits"),
        time_left=_seconds(stored.get("time_left")),
        allowed_time=_seconds(stored.get("allowed_time")),
        clock=float(stored.get("clock", 0)),
        loaded={**stored.get("loads", {})},
        last_step_began=_time(stored.get("moment")),
    )


def exact(seconds: float) -> Decimal:
    """Return a float as the JSON number that reads back as the same float."""
    return Decimal(repr(seconds))


def _to_json(value: object) -> Json:
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


def _seconds(value: Json) -> float | None:
    return None if value is None else float(value)


def _time(value: Json) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _since(branch: Branch) -> datetime:
    return branch.since or EPOCH


def approval_next_steps(step: ActionStep, following: str | None) -> NextSteps:
    """Return the next steps of a block with an approval. An expiry counts as a rejection."""
    return NextSteps(
        approved=step.on_true or step.next or following,
        rejected=step.on_false,
        expired=step.on_timeout or step.on_false,
    )


def wait_next_steps(step: WaitStep, following: str | None) -> NextSteps:
    """Return the next steps of a wait."""
    return NextSteps(event=step.on_event or step.next or following, timeout=step.on_timeout)


def targets(step: Step) -> frozenset[str]:
    """Return the steps that this step names as its next steps."""
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
