"""The values that the engine is given: an execution, its pause, its requests, rules and limits.

The engine reads no clock and no database. Its caller passes these values.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from msgspec import field

from resumer_daemon.engine.state import PAUSE, Branch, NextSteps, State, WaitCondition
from resumer_daemon.engine.vocabulary import PauseReason, RequestKind
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import NESTED, WIDEST
from resumer_daemon.workflow.values import Json

# Values of `decision` that requests have beside verdicts.
EXTERNAL_DECISION = "external_decision"  # adopt: another program wrote `resume_data.approved`
GUARD_REJECTED = "guard_rejected"  # adopt: the write guard rejected a write of another program
UNCHECKED_WRITE = "unchecked"  # adopt: the write guard could not check a write
APPROVAL_DELETED = "deleted"  # approval: its row was deleted
VERDICTS = frozenset({"approved", "rejected", "expired"})


class ResumeRequest(NamedTuple):
    """One unsettled reason to move an execution.

    `decision` of a timer is the path of its branch, None at the top level. `consumed` is the
    decision of the same approval that was applied before, None if none was.
    """

    id: int
    kind: RequestKind
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
    """A row of `approval_requests` as it is now.

    `expires_at` is text, because the column can hold times that Python cannot represent.
    `guard_violation` is the reason why the decision guard does not count this approval.
    `traceparent` is the trace that the writer of the decision named.
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
    guard_violation: str | None = None
    traceparent: str | None = None

    @property
    def approves(self) -> bool:
        """Tell whether it approves and the decision guard accepts it."""
        return self.status == "approved" and self.guard_violation is None


class ManualPause(NamedTuple):
    """A person who keeps an execution from its next step, and the reason they gave.

    `hold_number` names the hold on its workflow, or on all workflows. It is None if the person
    paused only this execution.
    """

    actor: str | None
    reason: str | None
    hold_number: int | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the stored form."""
        return {"actor": self.actor, "reason": self.reason, "number": self.hold_number}

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "ManualPause":
        """Read the stored form."""
        return cls(stored["actor"], stored["reason"], stored["number"])


class Pause(Frozen):
    """The open pause record, as it was read.

    `prior_approval_ids` are approvals that existed before this pause and do not belong to it.
    `reason_before_manual_pause` is the reason that comes back when a person ends the manual pause.
    It is None if the manual pause made this record. `position_unknown`: another program paused the
    execution, and the daemon could not find the step.
    """

    number: int
    reason: PauseReason
    step_id: str | None
    next_steps: NextSteps
    wait: WaitCondition
    state: State | None
    definition: str | None
    reason_before_incident: PauseReason | None = None
    reason_before_manual_pause: PauseReason | None = None
    position_unknown: bool = False
    approval_ids: tuple[UUID, ...] = ()
    prior_approval_ids: frozenset[UUID] = frozenset()

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that wait, the longest first; none if a person or an incident stopped it."""
        if self.state is not None and (inside := self.state.branches):
            return inside
        reason = self.reason_before_incident or self.reason_before_manual_pause or self.reason
        if reason == "manual" or reason == "incident":  # mypy does not narrow by `in`
            return ()
        return (Branch(PAUSE, self.step_id, reason, self.next_steps, self.wait, self.approval_ids),)

    def owns(self, approval: Approval) -> bool:
        """Tell whether this pause requested an approval, or it came while the pause lasts."""
        return approval.id not in self.prior_approval_ids or approval.id in self.approval_ids

    def own_approvals(self, approvals: Iterable[Approval]) -> list[Approval]:
        """Return the approvals that belong to this pause."""
        if not self.prior_approval_ids:
            return list(approvals)
        others = self.prior_approval_ids.difference(self.approval_ids)
        return [approval for approval in approvals if approval.id not in others]

    def approval_branches(
        self, approvals: Iterable[Approval]
    ) -> list[tuple[Branch, list[Approval]]]:
        """Return the branches that wait for approvals, each with its approvals.

        An approval that no step requested counts for the branch that has waited longest.
        """
        asking = [each for each in self.branches if each.reason == "approval_required"]
        if len(asking) < 2:
            return [(branch, self.own_approvals(approvals)) for branch in asking]
        of = {
            approval: number for number, each in enumerate(asking) for approval in each.approval_ids
        }
        owned: list[list[Approval]] = [[] for _ in asking]
        for approval in self.own_approvals(approvals):
            owned[of.get(approval.id, 0)].append(approval)
        return list(zip(asking, owned, strict=True))

    def accepts(self, request: ResumeRequest) -> bool:
        """Tell whether a request is for this pause, not for one that has ended."""
        return request.pause_number in (None, self.number)


class ClaimedExecution(Frozen):
    """One locked execution, and everything that was read after the lock was taken.

    `pointers` are the paused step and the next step that another program wrote, and `paused_reason`
    is its reason. `used_approval_ids` are the approvals of earlier pauses, read if the pause has no
    record. `blocked_by_service`: the service ended it as blocked, and no daemon has run or paused
    it, so it may have to become a pause. `time_left` are the seconds that another program's timeout
    left when it paused. `hold` is the hold on its workflow, or on all workflows. `paused_at` is
    when the open pause began.
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
    used_approval_ids: frozenset[UUID] = frozenset()
    blocked_by_service: bool = False
    time_left: float | None = None
    hold: ManualPause | None = None
    paused_at: datetime | None = None

    @property
    def pause_requests(self) -> tuple[ResumeRequest, ...]:
        """The requests to pause it manually, oldest first."""
        return tuple(r for r in self.requests if r.kind == "pause" and r.due)

    @property
    def manual_pause(self) -> ManualPause | None:
        """The person who keeps it from its next step, by a request or by a hold."""
        requested = next((ManualPause(r.actor, r.reason) for r in self.pause_requests), None)
        return requested or self.hold

    @property
    def unchecked_writes(self) -> tuple[ResumeRequest, ...]:
        """The requests for writes that the write guard could not check, oldest first."""
        return tuple(
            r for r in self.requests if r.kind == "adopt" and r.decision == UNCHECKED_WRITE
        )

    @property
    def may_need_adoption(self) -> bool:
        """Tell whether another program may have paused it."""
        return self.blocked_by_service or (self.status == "paused" and self.pause is None)

    @property
    def needs_position(self) -> bool:
        """Tell whether the engine must find the step where it is paused."""
        return self.may_need_adoption or (self.pause is not None and self.pause.position_unknown)


class DecidedApproval(Frozen):
    """One decided approval, as it goes into `resume_data.approval`.

    `decided_at` is text (RFC 3339, UTC), because the column can hold times that Python cannot
    represent.
    """

    id: UUID
    request_id: str
    decision: Literal["approved", "rejected", "expired"]
    approver_id: UUID | None
    reason: str | None
    decided_at: str | None


class Decision(Frozen):
    """The result of the approval policy: the deciding approval, and all decided ones."""

    deciding: DecidedApproval
    all: tuple[DecidedApproval, ...]


class Event(Frozen):
    """The event that a step waited for."""

    payload: Json


class TimedOut(Frozen):
    """A wait reached its due time."""


class Manual(Frozen):
    """A manual resume, or a retry.

    A resume needs `force` while an approval is missing. With `force`, resuming a manual pause also
    ends the wait beneath it. `approves` says whether a wait for an approval counts as approved or
    rejected; it is None for other waits.
    """

    trigger: Literal["manual", "retry"]
    actor: str | None
    reason: str | None
    data: Mapping[str, Json] = field(default_factory=dict)
    force: bool = False
    approves: bool | None = None


Resolution: TypeAlias = Decision | Event | TimedOut | Manual


class Rule(Frozen):
    """A row of `rules` as it is now. `AdvanceInputs.rules` lacks rules that do not exist."""

    rule_type: str
    enabled: bool
    definition: Json


class Endpoint(Frozen):
    """The HTTP address of a resource of `context.load`. `{id}` in the URL is its entity's id.

    Headers are templates, so that they can name secrets.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RecordTable(Frozen):
    """The table that stores the records of an entity, its key column, and its writable columns."""

    name: str
    key: str
    columns: frozenset[str]


class Limits(Frozen):
    """Limits on the work of one definition. The settings set them.

    `chunk` is the number of steps inside a `foreach` that one advance runs before they are
    recorded. `characters` limits the records and messages of one advance.
    """

    step_budget: int = 1_000
    items: int = 10_000
    depth: int = NESTED
    width: int = WIDEST
    chunk: int = 1_000
    characters: int = 4_000_000


def never() -> bool:
    """Return False: an advance without a time limit."""
    return False


class AdvanceInputs(Frozen):
    """The facts of one advance.

    `now` is the time of the database. `elapsed` are the seconds since the state was recorded.
    `steps_began_by` is a time by which all steps of earlier advances had begun.

    `stop_before_next_step`: a person wants the execution to pause. `out_of_time` tells whether
    other executions should advance first. The flow then stops before its next step, at the top
    level or inside a `foreach`. All members of a `parallel` begin together.
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
    stop_before_next_step: bool = False
    steps_began_by: datetime | None = None
    out_of_time: Callable[[], bool] = never
