"""A model of one execution in memory: what the store does with plans, without a database.

It keeps rows as the tables do, claims them, lets the engine respond, and writes the plan. What it
leaves out is what only a database has: other executions, locks, and lost connections.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    Approval,
    ClaimedExecution,
    Pause,
    ResumeRequest,
)
from resumer_daemon.engine.outcome import Effect, EffectResult, NewApproval, StepRecord
from resumer_daemon.engine.plan import PauseToOpen, PendingEffects, PinnedDefinition, Plan
from resumer_daemon.engine.planner import (
    Definitions,
    plan_after_effects,
    plan_beside_effects,
    plan_claimed,
)
from resumer_daemon.engine.state import Branch
from resumer_daemon.engine.timers import own_requests
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
EXECUTION, WORKFLOW = UUID(int=1), UUID(int=2)
DONE = EffectResult(data={"status_code": 200, "response": ""})
ENDED = ("completed", "failed", "cancelled")


@dataclass
class Row:
    """A request; `due` tells that its time has come."""

    request: ResumeRequest
    outcome: str | None = None


@dataclass
class Model:
    """One execution of a definition, its rows, and the daemon that moves it when it is told to."""

    document: Json
    key: str = "exec_1"
    payload: Json = field(default_factory=lambda: {"items": [1, 2]})
    status: str = "pending"
    result: str | None = None
    error: str | None = None
    context: Json = None
    resume_data: Json = None
    pause: Pause | None = None
    pauses: int = 0
    launch: PendingEffects | None = None
    rows: list[Row] = field(default_factory=list)
    approvals: dict[UUID, Approval] = field(default_factory=dict)
    withdrawn: set[UUID] = field(default_factory=set)
    steps: list[StepRecord] = field(default_factory=list)
    events: list[tuple[UUID, str, Json]] = field(default_factory=list)
    now: datetime = START

    def __post_init__(self) -> None:
        self.program = PinnedDefinition("d", parse_definition(self.document))
        self.ask("start")

    # What other programs and clocks do.

    def ask(self, kind: Any, **facts: Any) -> None:
        """Insert a request."""
        self.rows.append(Row(ResumeRequest(len(self.rows) + 1, kind, **facts)))

    def decide(self, approval: Approval, status: str, approver: UUID | None = None) -> None:
        """Write a decision, as a plain UPDATE and its trigger do; nobody named: each by another."""
        self.now += timedelta(seconds=1)
        at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        person = approver or UUID(int=approval.id.int ^ 1)
        decided = approval._replace(status=status, approver_id=person, decided_at=at)
        self.approvals[approval.id] = decided
        self.ask("approval", source_id=approval.id, decision=status)

    def emit(self, event: str, payload: Json) -> None:
        """Write an event, and let it be found by the waits of an open pause."""
        self.events.append((UUID(int=1_000 + len(self.events)), event, payload))
        self._fan_out()

    def let_time_come(self, path: str) -> None:
        """Let the timer of a branch fire."""
        for row in self.rows:
            if row.request.kind == "timeout" and row.request.decision == path:
                row.request = row.request._replace(due=True)

    def answer(self, *effects: Effect) -> None:
        """Let effects that are under way have their results, in one transaction."""
        assert self.launch is not None
        results = {effect.path: DONE for effect in effects}
        plan = plan_after_effects(self._claimed(), self.launch, results, self._world())
        self._write(plan)

    # What a daemon does.

    def turn(self) -> None:
        """Claim, respond, write; beside effects under way, hear what branches wait for."""
        if self.launch is not None:
            heard = plan_beside_effects(self._claimed(), self.launch, self._world())
            if heard is not None and heard.status is not None:
                self._write(heard)
        if not any(row.outcome is None and row.request.due for row in self.rows):
            return
        programs = Definitions({"d": self.program}, {WORKFLOW: self.program})
        self._write(plan_claimed(self._claimed(), programs, self._world()))

    def settle(self) -> None:
        """Take turns until nothing is due any more."""
        for _ in range(200):
            before = [row.outcome for row in self.rows], self.status, self.pauses
            self.turn()
            if ([row.outcome for row in self.rows], self.status, self.pauses) == before:
                return
        raise AssertionError("it does not come to rest")

    # What can be seen.

    @property
    def branches(self) -> tuple[Branch, ...]:
        """What waits now."""
        if self.pause is not None:
            return self.pause.branches
        return self.launch.state.branches if self.launch is not None else ()

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What is under way."""
        return self.launch.effects if self.launch is not None else ()

    def is_pending(self, approval: UUID) -> bool:
        """Tell whether nobody has decided an approval."""
        return self.approvals[approval].status == "pending"

    def unused(self, event: str) -> bool:
        """Tell whether an event of this type is there that has not ended a wait."""
        used = {row.request.source_id for row in self.rows if row.outcome == "applied"}
        return any(kind == event and source not in used for source, kind, _ in self.events)

    def outcomes(self, approval: UUID) -> list[str | None]:
        """Return what became of the decisions of an approval."""
        return [
            row.outcome
            for row in self.rows
            if row.request.kind == "approval" and row.request.source_id == approval
        ]

    def _claimed(self) -> ClaimedExecution:
        consumed = {
            row.request.source_id: row.request.decision
            for row in self.rows
            if row.request.kind == "approval" and row.outcome == "applied"
        }
        return ClaimedExecution(
            id=EXECUTION, key=self.key, status=self.status, workflow=WORKFLOW, workflow_key="w",
            organization=None, context=self.context, resume_data=self.resume_data,
            payload=self.payload, pause=self.pause, last_pause=self.pauses,
            requests=tuple(
                row.request._replace(consumed=consumed.get(row.request.source_id))
                for row in self.rows if row.outcome in (None, "held")
            ),
            approvals=tuple(self.approvals.values()),
        )  # fmt: skip

    def _world(self) -> AdvanceInputs:
        self.now += timedelta(milliseconds=1)
        return AdvanceInputs(
            now=self.now, execution_id=EXECUTION, execution_key=self.key, workflow_id="w",
            pause_number=self.pauses,
        )  # fmt: skip

    def _write(self, plan: Plan) -> None:
        ran = self.launch is not None
        for request, outcome in plan.outcomes.items():
            self.rows[request - 1].outcome = outcome
        for approval in plan.unrequested_approvals:
            self.ask("approval", source_id=approval.id, decision=approval.status)
            self.rows[-1].outcome = "applied"
        self.steps += plan.records
        self._write_approvals(plan)
        self._move(plan)
        for _, kind, source, decision, number, due in own_requests(plan):
            self.ask(
                kind, source_id=source, decision=decision, pause_number=number,
                due=due is None or datetime.fromisoformat(due) <= self.now, due_at=due,
            )  # fmt: skip
        if ran and self.launch is None and any(row.outcome == "held" for row in self.rows):
            self.ask("adopt")
        if plan.opens is not None or plan.pending_effects is not None:
            self._fan_out()

    def _write_approvals(self, plan: Plan) -> None:
        for write in plan.writes:
            if isinstance(write, NewApproval):
                self.approvals[write.id] = Approval(
                    write.id, write.request_id, "pending", None, write.approver_role
                )
        for each in plan.withdrawn:
            self.approvals[each] = self.approvals[each]._replace(status="expired")
            self.withdrawn.add(each)

    def _move(self, plan: Plan) -> None:
        if plan.status is None:
            return
        self.status, self.result, self.error = plan.status, plan.result, plan.error
        self.context = plan.context if plan.context is not None else self.context
        self.resume_data = plan.resume_data if plan.resume_data is not None else self.resume_data
        if plan.closed_by:
            self.pause = None
        self.launch = plan.pending_effects
        if plan.opens is not None:
            self.pauses = plan.opens.number
            self.pause = opened(plan.opens)

    def _fan_out(self) -> None:
        """Leave a request for each event that may end a branch, of a pause or beside effects."""
        number = self.pauses if self.pause is not None else self.pauses + 1
        awaited = {branch.wait.event for branch in self.branches}
        used = {
            row.request.source_id
            for row in self.rows
            if row.request.kind == "event"
            and (row.outcome == "applied" or row.request.pause_number == number)
        }
        for event, kind, payload in self.events:
            if kind in awaited and event not in used:
                self.ask(
                    "event", source_id=event, decision=kind, payload=payload, pause_number=number
                )


def opened(new: PauseToOpen) -> Pause:
    """Return a pause record as it is read back."""
    return Pause(
        number=new.number, reason=new.reason, step_id=new.step_id, next_steps=new.next_steps,
        wait=new.wait, state=new.state, definition=new.definition, approval_ids=new.approval_ids,
        prior_approval_ids=frozenset(new.prior_approval_ids),
    )  # fmt: skip
