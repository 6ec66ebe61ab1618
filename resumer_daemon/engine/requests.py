"""What a claim reads, as values: the execution, its open pause, its requests, its approvals."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from resumer_daemon.engine.branch import PAUSE, Branch, Waiting, Ways
from resumer_daemon.engine.state import State
from resumer_daemon.frozen import frozen
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


class Request(NamedTuple):
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


class Hold(NamedTuple):
    """Who keeps an execution from its next step, and why.

    `number` is of the hold of its workflow, or of everything; None: a person paused just this one.
    """

    actor: str | None
    reason: str | None
    number: int | None = None


@frozen
class OpenPause:
    """The open pause record: the pointer of record. `earlier`: approvals that are not its own.

    `held_before`: the reason it has again when nobody holds it by hand any more; None where the
    hand itself made the pause. `lost`: another program made it, and nothing told where it stands.
    """

    number: int
    reason: str
    step_id: str | None
    ways: Ways
    waiting: Waiting
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

    def meant_by(self, request: Request) -> bool:
        """Tell whether a request is for this pause, and not for one that has ended."""
        return request.pause_number in (None, self.number)


@frozen
class Claimed:
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
    pause: OpenPause | None
    last_pause: int
    requests: tuple[Request, ...]
    approvals: tuple[Approval, ...]
    pointers: tuple[str | None, str | None] = (None, None)
    paused_reason: str | None = None
    used: frozenset[UUID] = frozenset()
    blocked_by_service: bool = False
    time_left: float | None = None
    hold: Hold | None = None
    paused_at: datetime | None = None

    @property
    def to_pause(self) -> tuple[Request, ...]:
        """Return the requests of persons to pause it, oldest first."""
        return tuple(r for r in self.requests if r.kind == "pause" and r.due)

    @property
    def stops(self) -> Hold | None:
        """Return who keeps it from its next step, if anybody does."""
        asked = next((Hold(r.actor, r.reason) for r in self.to_pause), None)
        return asked or self.hold

    @property
    def unchecked(self) -> tuple[Request, ...]:
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
