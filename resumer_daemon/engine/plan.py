"""A plan: everything that a transaction must write for one execution.

The store writes the plans of a batch in a constant number of statements.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import field

from resumer_daemon.engine.inputs import (
    VERDICTS,
    Approval,
    ClaimedExecution,
    Event,
    ManualPause,
    Pause,
)
from resumer_daemon.engine.outcome import Effect, EffectResult, Incident, StepRecord, Write
from resumer_daemon.engine.settlement import Settlement
from resumer_daemon.engine.state import Branch, NextSteps, State, WaitCondition
from resumer_daemon.engine.vocabulary import PauseReason, RequestOutcome
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json

Status: TypeAlias = Literal["completed", "failed", "cancelled", "paused", "running"]


class PinnedDefinition(Frozen):
    """A definition to run, with the SHA-256 under which its text is stored."""

    sha256: str
    definition: Definition


class DefinitionCopy(Frozen):
    """The text of a definition to store. `awaits` are the types of events that it waits for."""

    text: str
    awaits: frozenset[str] = frozenset()


class PauseToOpen(Frozen):
    """A pause record to write. `state` is None if the flow has not begun.

    `step_id`, `next_steps` and `wait` describe the branch that has waited longest. `approval_ids`
    and `branches` cover all branches. `manual_pause` is set if a person paused the execution and
    nothing else is waited for.
    """

    number: int
    reason: PauseReason
    step_id: str | None = None
    next_steps: NextSteps = field(default_factory=NextSteps)
    wait: WaitCondition = field(default_factory=WaitCondition)
    state: State | None = None
    definition: str | None = None
    incident: Incident | None = None
    approval_ids: tuple[UUID, ...] = ()
    prior_approval_ids: tuple[UUID, ...] = ()
    manual_pause: ManualPause | None = None
    branches: tuple[Branch, ...] = ()

    def as_read(self) -> Pause:
        """Return the pause as a later claim reads it."""
        return Pause(
            number=self.number,
            reason=self.reason,
            step_id=self.step_id,
            next_steps=self.next_steps,
            wait=self.wait,
            state=self.state,
            definition=self.definition,
            approval_ids=self.approval_ids,
            prior_approval_ids=frozenset(self.prior_approval_ids),
        )


class PendingEffects(Frozen):
    """Effects to send after their intents are committed, and the state to continue from."""

    pinned: PinnedDefinition
    state: State
    effects: tuple[Effect, ...]


class Plan(Frozen):
    """All writes of one execution. If `status` is None, its row does not change.

    - `branches_before`: the branches that waited beside effects before this plan.
    - `withdrawn`: undecided approvals that no branch waits for any more.
    - `incident`, `manual_pause`: laid over the open pause, which keeps its wait. `ends_incident`
      and `ends_manual_pause` remove them.
    - `requeues_past_events`: look for events that arrived before the pause was recorded.
    - `event_not_matched`: an event did not end its wait, so the next one must be looked for.
    - `writes_to_undo`: requests that hold the row as it was before a write that the write guard
      could not check.
    - `overdue`: approvals to expire. `without_timer`: approvals that need a timer.
    """

    claimed: ClaimedExecution
    outcomes: Mapping[int, RequestOutcome]
    settlement: Settlement | None = None
    status: Status | None = None
    result: str | None = None
    error: str | None = None
    context: Json = None
    resume_data: Json = None
    resumed: bool = False
    records: tuple[StepRecord, ...] = ()
    writes: tuple[Write, ...] = ()
    closed_by: str | None = None
    opens: PauseToOpen | None = None
    incident: Incident | None = None
    manual_pause: ManualPause | None = None
    pending_effects: PendingEffects | None = None
    results: Mapping[str, EffectResult] = field(default_factory=dict)
    ends_incident: bool = False
    ends_manual_pause: bool = False
    adopts: bool = False
    check_again_at: datetime | None = None
    timeout: float | None = None
    requeues_past_events: bool = False
    event_not_matched: bool = False
    writes_to_undo: tuple[int, ...] = ()
    unrequested_approvals: tuple[Approval, ...] = ()
    branches_before: tuple[Branch, ...] = ()
    withdrawn: tuple[UUID, ...] = ()
    overdue: tuple[UUID, ...] = ()
    without_timer: tuple[Approval, ...] = field(default=())

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that wait after the write, at the pause or beside effects."""
        if self.opens is not None:
            return self.opens.branches
        return self.pending_effects.state.branches if self.pending_effects is not None else ()

    @property
    def new_branches(self) -> tuple[Branch, ...]:
        """The branches that begin to wait: all of a new pause, or the new ones beside effects."""
        if self.opens is not None:
            return self.branches
        before = {branch.path for branch in self.branches_before}
        return tuple(branch for branch in self.branches if branch.path not in before)

    @property
    def applies_event(self) -> bool:
        """Tell whether an event ends a wait."""
        answers = self.settlement.resolutions.values() if self.settlement is not None else ()
        return any(isinstance(answer, Event) for answer in answers)

    @property
    def pause_number(self) -> int:
        """The number of the pause to open, or of the next pause if effects are in flight."""
        return self.opens.number if self.opens is not None else self.claimed.last_pause + 1

    @property
    def guard_violations(self) -> Mapping[int, str]:
        """The reasons why approvals do not count, by the ids of their requests."""
        return self.settlement.guard_violations if self.settlement is not None else {}

    @property
    def superseded_approvals(self) -> Sequence[Approval]:
        """The decisions without a request that the end of a wait makes void."""
        pause = self.claimed.pause
        ends = bool(self.branches_before) if pause is None else self.closed_by is not None
        if not ends:
            return ()
        reported = {r.source_id for r in self.claimed.requests} | {
            a.id for a in self.unrequested_approvals
        }
        decided = (
            a for a in self.claimed.approvals if a.status in VERDICTS and a.id not in reported
        )
        if pause is not None:
            return [approval for approval in decided if pause.owns(approval)]
        waiting = {approval for branch in self.branches for approval in branch.approval_ids}
        ended = {
            approval for branch in self.branches_before for approval in branch.approval_ids
        } - waiting
        return [approval for approval in decided if approval.id in ended]

    @property
    def checks_again(self) -> bool:
        """Tell whether to process the execution again, for parked requests or another event."""
        moved = self.ends_incident or self.ends_manual_pause or self.adopts
        return moved or self.event_not_matched or bool(self.writes_to_undo) or self._keeps_timers

    @property
    def _keeps_timers(self) -> bool:
        """Tell whether due timers belong to branches that still wait."""
        if self.opens is None or not self.opens.approval_ids:
            return False
        due = (r for r in self.claimed.requests if r.kind == "timeout" and r.due)
        return any(
            r.source_id in self.opens.approval_ids and r.id not in self.outcomes for r in due
        )

    @property
    def definition_sha256(self) -> str | None:
        """The SHA-256 of the definition that the next advance needs."""
        if self.pending_effects is not None:
            return self.pending_effects.pinned.sha256
        return self.opens.definition if self.opens is not None else None
