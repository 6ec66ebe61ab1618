"""Everything the engine is given: the execution, its pause and requests, rules, limits, the time.

The engine reads no clock and no database. Whoever calls it passes these values.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from resumer_daemon.engine.state import PAUSE, Branch, NextSteps, State, WaitCondition
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import NESTED, WIDEST
from resumer_daemon.workflow.values import Json

Kind: TypeAlias = Literal[
    "approval", "event", "timeout", "manual", "start", "retry", "pause", "cancel", "adopt"
]
Settled: TypeAlias = Literal[
    "applied", "superseded", "late", "too_late", "duplicate", "orphan", "vanished", "unrecognised",
    "held", "failed",
]  # fmt: skip

ENDED = frozenset({"completed", "failed", "cancelled"})
SAID = "said"  # the decision of an adopt request that tells of a word in `resume_data.approved`
REFUSED = (
    "refused"  # the decision of an adopt request that tells of a write which the guard refused
)
UNCHECKED = "unchecked"  # the decision of an adopt request: nobody looked whether a write may be
DELETED = "deleted"  # the decision of a request whose approval is gone
VERDICTS = frozenset({"approved", "rejected", "expired"})


class ResumeRequest(NamedTuple):
    """One unsettled reason to move the execution. `consumed`: what its approval decided before.

    `decision` of a timer is the path of the branch whose time it is, None at the top level.
    """

    id: int
    kind: Kind
    source_id: UUID | None = None
    decision: str | None = None
    pause_number: int | None = None
    payload: Json = None
    actor: str | None = None
    reason: str | None = None
    due: bool = True
    due_at: str | None = None
    consumed: str | None = None


class Approval(NamedTuple):
    """A row of `approval_requests` as it stands now. `expires_at` is text, for it may be any.

    `objection`: why it must not count though it is approved, where the settings ask to look.
    `traceparent`: the trace that its decision belongs to, where whoever wrote it said so.
    """

    id: UUID
    request_id: str
    status: str
    approver_id: UUID | None = None
    approver_role: str | None = None
    reason: str | None = None
    decided_at: str | None = None
    expired: bool = False
    expires_at: str | None = None
    objection: str | None = None
    traceparent: str | None = None

    @property
    def approves(self) -> bool:
        """Tell whether it is an approval against which nothing is to be said."""
        return self.status == "approved" and self.objection is None


class HoldInForce(NamedTuple):
    """Who keeps an execution from its next step, and why.

    `number` is of the hold of its workflow, or of everything; None: a person paused just this one.
    """

    actor: str | None
    reason: str | None
    number: int | None = None


@frozen
class Pause:
    """The open pause record: the pointer of record. `earlier`: approvals that are not its own.

    `held_before`: the reason it has again when nobody holds it by hand any more; None where the
    hand itself made the pause. `lost`: another program made it, and nothing told where it stands.
    """

    number: int
    reason: str
    step_id: str | None
    ways: NextSteps
    waiting: WaitCondition
    state: State | None
    definition: str | None
    reason_before: str | None = None
    held_before: str | None = None
    lost: bool = False
    asked: tuple[UUID, ...] = ()
    earlier: frozenset[UUID] = frozenset()

    @property
    def branches(self) -> tuple[Branch, ...]:
        """What it waits for, the longest first; nothing where a person or an incident stops it."""
        if self.state is not None and (inside := self.state.branches):
            return inside
        reason = self.reason_before or self.held_before or self.reason
        if reason in ("manual", "incident"):
            return ()
        return (
            Branch(PAUSE, self.step_id, reason, self.ways, self.waiting, self.asked),  # type: ignore[arg-type]  # the reasons that are left
        )

    def owns(self, approval: Approval) -> bool:
        """Tell whether an approval was asked by this pause, or came while it lasts."""
        return approval.id not in self.earlier or approval.id in self.asked

    def owned(self, approvals: Iterable[Approval]) -> list[Approval]:
        """Return the approvals that it owns, of thousands perhaps."""
        if not self.earlier:
            return list(approvals)
        others = self.earlier.difference(self.asked)
        return [approval for approval in approvals if approval.id not in others]

    def asking(self, approvals: Iterable[Approval]) -> list[tuple[Branch, list[Approval]]]:
        """Return the branches that wait for approvals, each with those that are its own.

        What came while it lasts, and no step asked for, counts for the one that has waited longest.
        """
        asking = [each for each in self.branches if each.reason == "approval_required"]
        if len(asking) < 2:
            return [(branch, self.owned(approvals)) for branch in asking]
        of = {approval: number for number, each in enumerate(asking) for approval in each.asked}
        owned: list[list[Approval]] = [[] for _ in asking]
        for approval in self.owned(approvals):
            owned[of.get(approval.id, 0)].append(approval)
        return list(zip(asking, owned, strict=True))

    def meant_by(self, request: ResumeRequest) -> bool:
        """Tell whether a request is for this pause, and not for one that has ended."""
        return request.pause_number in (None, self.number)


@frozen
class ClaimedExecution:
    """One execution under our lock, and everything that was read after we had the lock.

    `pointers` are another program's paused and next step, `paused_reason` is its reason; `used`
    the approvals that earlier pauses had, where a pause has no record. `blocked_by_service`:
    another program ended it as completed and blocked while we were there: it may be a pause.
    `time_left`: seconds that another program's timeout left it when it paused, where that has one.
    `hold`: somebody holds its workflow, or everything.
    `paused_at` is when the open pause began.
    """

    id: UUID
    key: str
    status: str
    workflow: UUID | None
    workflow_key: str
    organization: UUID | None
    context: Json
    resume_data: Json
    payload: Json
    pause: Pause | None
    last_pause: int
    requests: tuple[ResumeRequest, ...]
    approvals: tuple[Approval, ...]
    pointers: tuple[str | None, str | None] = (None, None)
    paused_reason: str | None = None
    used: frozenset[UUID] = frozenset()
    blocked_by_service: bool = False
    time_left: float | None = None
    hold: HoldInForce | None = None
    paused_at: datetime | None = None

    @property
    def to_pause(self) -> tuple[ResumeRequest, ...]:
        """Return the requests of persons to pause it, oldest first."""
        return tuple(r for r in self.requests if r.kind == "pause" and r.due)

    @property
    def stops(self) -> HoldInForce | None:
        """Return who keeps it from its next step, if anybody does."""
        asked = next((HoldInForce(r.actor, r.reason) for r in self.to_pause), None)
        return asked or self.hold

    @property
    def unchecked(self) -> tuple[ResumeRequest, ...]:
        """Return the writes of other programs that the guard could not check, oldest first."""
        return tuple(r for r in self.requests if r.kind == "adopt" and r.decision == UNCHECKED)

    @property
    def to_adopt(self) -> bool:
        """Tell whether it is, or may have to be, a pause that another program made."""
        return self.blocked_by_service or (self.status == "paused" and self.pause is None)

    @property
    def to_find(self) -> bool:
        """Tell whether it has to be found out where it stands."""
        return self.to_adopt or (self.pause is not None and self.pause.lost)


@frozen
class Decided:
    """One approval with its verdict, as it goes into `resume_data.approval`.

    `decided_at` is text (RFC 3339, UTC) as it is stored, for the column may hold any time at all.
    """

    id: UUID
    request_id: str
    decision: Literal["approved", "rejected", "expired"]
    approver_id: UUID | None
    reason: str | None
    decided_at: str | None


@frozen
class Decision:
    """The policy's word on an approval pause: the deciding one, and all that were decided."""

    deciding: Decided
    all: tuple[Decided, ...]


@frozen
class Event:
    """The event that a wait waited for."""

    payload: Json


@frozen
class TimedOut:
    """The due time of a wait has come."""


@frozen
class Manual:
    """A person resumes by hand; `force` is needed while an approval is missing.

    Of a pause that is held by hand, `force` also ends what it waits for beneath. `approves` tells
    which way it takes where it ends a wait for an approval; None where it ends anything else.
    """

    trigger: Literal["manual", "retry"]
    actor: str | None
    reason: str | None
    data: Mapping[str, Json] = field(default_factory=dict)
    force: bool = False
    approves: bool | None = None


Resolution: TypeAlias = Decision | Event | TimedOut | Manual


@frozen
class Rule:
    """A row of `rules` as it is now; a missing rule is absent from `AdvanceInputs.rules`."""

    rule_type: str
    enabled: bool
    definition: Json


@frozen
class Endpoint:
    """Where a resource of `context.load` is had over HTTP: `{id}` in the URL is its entity's id.

    Headers are templates, so that they can name secrets.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@frozen
class RecordTable:
    """Where records of an entity are rows: the table, the column that names one, what is written.

    Only these columns may be.
    """

    name: str
    key: str
    columns: frozenset[str]


@frozen
class Limits:
    """The caps that keep a stranger's definition bounded (settings; defaults of the semantics).

    `chunk` is how many steps inside of a `foreach` one advance runs before the shell records them,
    `written` how many characters of records and messages.
    """

    step_budget: int = 1_000
    items: int = 10_000
    depth: int = NESTED
    width: int = WIDEST
    chunk: int = 1_000
    written: int = 4_000_000


def never() -> bool:
    """Say that there is all the time in the world."""
    return False


@frozen
class AdvanceInputs:
    """The facts of one advance. `elapsed` is the seconds run since the state was recorded.

    `now` is the time of the database. `steps_after`: all steps of earlier advances began by then.

    `hold`: stop before the next step, for a person wants the execution to pause. `out_of_time`
    tells whether others should move first: then the flow stops before a step of the top level or of
    a `foreach`, and goes on from there. Members of a `parallel` begin together.
    """

    now: datetime
    execution_id: UUID
    execution_key: str
    workflow_id: str
    pause_number: int = 0
    elapsed: float = 0.0
    rules: Mapping[str, Rule] = field(default_factory=dict)
    loaded: Mapping[str, Json] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    records: Mapping[str, RecordTable | Endpoint] = field(default_factory=dict)
    notification_templates: Mapping[str, str] = field(default_factory=dict)
    approval_url: str = ""
    default_timeout: float | None = None
    action_errors: Literal["fail", "record"] = "fail"
    limits: Limits = Limits()
    hold: bool = False
    steps_after: datetime | None = None
    out_of_time: Callable[[], bool] = never
