"""A plan: everything that is to be written of one execution, as a value.

The store writes the plans of a batch in a constant number of statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from resumer_daemon.engine.inputs import (
    VERDICTS,
    Approval,
    ClaimedExecution,
    Event,
    HoldInForce,
    Settled,
)
from resumer_daemon.engine.outcome import Effect, EffectResult, Incident, StepRecord, Write
from resumer_daemon.engine.settlement import Settlement
from resumer_daemon.engine.state import Branch, NextSteps, State, WaitCondition
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json

Status: TypeAlias = Literal["completed", "failed", "cancelled", "paused", "running"]


@frozen
class PinnedDefinition:
    """A definition to run, with the fingerprint under which its text is kept."""

    sha256: str
    definition: Definition


@frozen
class DefinitionCopy:
    """The text of a definition, to be kept; `awaits` are the types of events it waits for."""

    text: str
    awaits: frozenset[str] = frozenset()


@frozen
class PauseToOpen:
    """A pause record to open. `state` is None where the flow has not begun.

    `step_id`, `ways` and `waiting` are of the branch that has waited longest, `asked` and
    `branches` of all that wait. `held`: by whom, where nothing else is waited for.
    """

    number: int
    reason: str
    step_id: str | None = None
    ways: NextSteps = field(default_factory=NextSteps)
    waiting: WaitCondition = field(default_factory=WaitCondition)
    state: State | None = None
    definition: str | None = None
    incident: Incident | None = None
    asked: tuple[UUID, ...] = ()
    earlier: tuple[UUID, ...] = ()
    held: HoldInForce | None = None
    branches: tuple[Branch, ...] = ()


@frozen
class PendingEffects:
    """Effects to be run once their intents are committed, and the state to go on from."""

    program: PinnedDefinition
    state: State
    effects: tuple[Effect, ...]


@frozen
class Plan:
    """All writes of one execution. `status` None: its row stays, and only requests are settled.

    `waited` is what waited beside effects under way before this. `withdraws` are approvals that
    nobody waits for any more, though nobody has decided them.
    `overlay` and `holds` are laid over the open pause, which keeps what it waits for; `lifts` and
    `lets_go` take them off again. `recalls`: look back for events, now that the pause is there.
    `misses`: an event that was handed over did not end the wait for it, so another one may.
    `undoes`: requests that have the row as it was before a write which the guard could not check.
    """

    claimed: ClaimedExecution
    outcomes: Mapping[int, Settled]
    settlement: Settlement | None = None
    status: Status | None = None
    result: str | None = None
    error: str | None = None
    context: Json = None
    resume_data: Json = None
    resumed: bool = False
    records: tuple[StepRecord, ...] = ()
    writes: tuple[Write, ...] = ()
    closes: str | None = None
    opens: PauseToOpen | None = None
    overlay: Incident | None = None
    holds: HoldInForce | None = None
    launch: PendingEffects | None = None
    results: Mapping[str, EffectResult] = field(default_factory=dict)
    lifts: bool = False
    lets_go: bool = False
    adopts: bool = False
    looks_at: datetime | None = None
    timeout: float | None = None
    recalls: bool = False
    misses: bool = False
    undoes: tuple[int, ...] = ()
    unasked: tuple[Approval, ...] = ()
    waited: tuple[Branch, ...] = ()
    withdraws: tuple[UUID, ...] = ()
    expire: tuple[UUID, ...] = ()
    arm: tuple[Approval, ...] = field(default=())

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that wait after the write: at an open pause, or beside effects under way."""
        if self.opens is not None:
            return self.opens.branches
        return self.launch.state.branches if self.launch is not None else ()

    @property
    def begun(self) -> tuple[Branch, ...]:
        """The branches that begin to wait: all of a new pause, or the new ones beside effects."""
        if self.opens is not None:
            return self.branches
        before = {branch.path for branch in self.waited}
        return tuple(branch for branch in self.branches if branch.path not in before)

    @property
    def brings_event(self) -> bool:
        """Tell whether an event ends a wait here."""
        answers = self.settlement.answers.values() if self.settlement is not None else ()
        return any(isinstance(answer, Event) for answer in answers)

    @property
    def waits_at(self) -> int:
        """The number of the pause that is open then, or of the next one beside effects."""
        return self.opens.number if self.opens is not None else self.claimed.last_pause + 1

    @property
    def objections(self) -> Mapping[int, str]:
        """The objections to approvals, by the ids of their requests, which are held."""
        return self.settlement.objections if self.settlement is not None else {}

    @property
    def overtaken(self) -> Sequence[Approval]:
        """Return the decisions that the end of a wait makes void and no request tells of."""
        pause = self.claimed.pause
        ends = bool(self.waited) if pause is None else self.closes is not None
        if not ends:
            return ()
        told = {r.source_id for r in self.claimed.requests} | {a.id for a in self.unasked}
        decided = (a for a in self.claimed.approvals if a.status in VERDICTS and a.id not in told)
        if pause is not None:
            return [approval for approval in decided if pause.owns(approval)]
        waiting = {approval for branch in self.branches for approval in branch.asked}
        ended = {approval for branch in self.waited for approval in branch.asked} - waiting
        return [approval for approval in decided if approval.id in ended]

    @property
    def looks_again(self) -> bool:
        """Tell whether to look once more: at what is held, or for another event."""
        moved = self.lifts or self.lets_go or self.adopts
        return moved or self.misses or bool(self.undoes) or self._keeps_timers

    @property
    def _keeps_timers(self) -> bool:
        """Tell whether timers that are due, and may be held, are of branches that wait on."""
        if self.opens is None or not self.opens.asked:
            return False
        due = (r for r in self.claimed.requests if r.kind == "timeout" and r.due)
        return any(r.source_id in self.opens.asked and r.id not in self.outcomes for r in due)

    @property
    def runs_on(self) -> str | None:
        """The fingerprint of the definition that whoever goes on from here will need."""
        if self.launch is not None:
            return self.launch.program.sha256
        return self.opens.definition if self.opens is not None else None
