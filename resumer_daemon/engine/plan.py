"""From a claimed execution to everything that is written of it: settle, resume, advance.

A plan is a value; the store writes the plans of a batch in a constant number of statements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from uuid import UUID

from resumer_daemon.engine.advance import advance, begin
from resumer_daemon.engine.answer import Answer
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    Effects,
    Failed,
    Incident,
    NewApproval,
    Paused,
    StepRecord,
    Waiting,
    Ways,
    Write,
)
from resumer_daemon.engine.requests import Approval, Claimed, OpenPause, Settled
from resumer_daemon.engine.resume import resume, resume_data_after, resume_data_at_pause
from resumer_daemon.engine.settle import Settlement
from resumer_daemon.engine.state import State
from resumer_daemon.engine.world import World
from resumer_daemon.workflow.context import build, effective
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json

Status: TypeAlias = Literal["completed", "failed", "cancelled", "paused"]


@dataclass(frozen=True, slots=True)
class Program:
    """A definition to run, with the fingerprint under which its text is kept."""

    sha256: str
    definition: Definition


@dataclass(frozen=True, slots=True)
class NewPause:
    """A pause record to open. `state` is None where the flow has not begun."""

    number: int
    reason: str
    step_id: str | None = None
    ways: Ways = field(default_factory=Ways)
    waiting: Waiting = field(default_factory=Waiting)
    state: State | None = None
    definition: str | None = None
    incident: Incident | None = None
    asked: tuple[UUID, ...] = ()
    earlier: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written of one execution. `status` None: it stays as it is, only requests settle."""

    claimed: Claimed
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
    opens: NewPause | None = None
    overlay: Incident | None = None
    lifts: bool = False
    unasked: tuple[Approval, ...] = ()
    expire: tuple[UUID, ...] = ()
    arm: tuple[Approval, ...] = field(default=())


def stay(claimed: Claimed, settlement: Settlement) -> Plan:
    """Plan for an execution that does not move now."""
    return Plan(
        claimed,
        settlement.outcomes,
        settlement,
        closes=claimed.status if claimed.pause is not None and claimed.status != "paused" else None,
        expire=settlement.expire,
        arm=settlement.arm,
    )


def cancel(claimed: Claimed, settlement: Settlement) -> Plan:
    """Plan for the end by a person's word: no result."""
    return Plan(
        claimed, settlement.outcomes, settlement, status="cancelled", closes="cancel", resumed=False
    )


def fail(claimed: Claimed, settlement: Settlement, error: str) -> Plan:
    """Plan for a start that cannot be: no step is recorded."""
    return Plan(claimed, settlement.outcomes, settlement, status="failed", error=error)


def incident(claimed: Claimed, settlement: Settlement | None, what: Incident) -> Plan:
    """Plan for what must not be decided here: a person looks, and nothing that arrived is lost."""
    outcomes: dict[int, Settled] = {r.id: "held" for r in claimed.requests if r.due}
    if claimed.pause is not None:
        return Plan(claimed, outcomes, settlement, overlay=what)
    opens = NewPause(claimed.last_pause + 1, "incident", incident=what)
    return Plan(claimed, outcomes, settlement, status="paused", opens=opens)


def start(claimed: Claimed, settlement: Settlement, program: Program, world: World) -> Plan:
    """Plan for the first run: build the context and advance from the first step."""
    context = build(claimed.payload, {}, world.now)
    advanced = advance(program.definition, begin(program.definition, None), context, world)
    plan = Plan(claimed, settlement.outcomes, settlement, context=context)
    return _with(plan, advanced, program, claimed.resume_data)


def move(claimed: Claimed, settlement: Settlement, program: Program, world: World) -> Plan:
    """Plan for a resume: the answer leads on from where the open pause stands."""
    pause, answer = _paused_at(claimed), settlement.answer
    if answer is None:
        raise ValueError("a resume needs an answer")
    state = resume(program.definition, pause.state, pause.ways, answer)
    data = _resume_data(claimed, answer, world)
    advanced = advance(program.definition, state, effective(claimed.context or {}, data), world)
    plan = Plan(
        claimed,
        settlement.outcomes,
        settlement,
        resumed=True,
        closes=_closed_by(settlement),
        unasked=settlement.unasked,
    )
    return _with(plan, advanced, program, data)


def carry_on(claimed: Claimed, settlement: Settlement, program: Program, world: World) -> Plan:
    """Plan for the retry of an incident: from where the flow stood, or from its first step."""
    pause = _paused_at(claimed)
    plan = Plan(
        claimed, settlement.outcomes, settlement, resumed=True, closes=_closed_by(settlement)
    )
    if pause.state is None:
        context = build(claimed.payload, {}, world.now)
        advanced = advance(program.definition, begin(program.definition, None), context, world)
        return _with(replace(plan, context=context), advanced, program, claimed.resume_data)
    # a person has looked: the budget of steps begins anew
    state = replace(pause.state, taken=0)
    context = effective(claimed.context or {}, claimed.resume_data or {})
    advanced = advance(program.definition, state, context, world)
    return _with(plan, advanced, program, claimed.resume_data)


def _paused_at(claimed: Claimed) -> OpenPause:
    if claimed.pause is None:
        raise ValueError("a resume needs an open pause")
    return claimed.pause


def _closed_by(settlement: Settlement) -> str:
    return settlement.moved_by.kind if settlement.moved_by is not None else "approval"


def _resume_data(claimed: Claimed, answer: Answer, world: World) -> dict[str, Json]:
    before = claimed.resume_data if isinstance(claimed.resume_data, dict) else {}
    return resume_data_after(before, answer, number=_paused_at(claimed).number, at=world.now)


def _with(plan: Plan, advanced: Advance, program: Program, data: Json) -> Plan:
    """Add to a plan what the engine came to."""
    plan = replace(plan, records=advanced.records, writes=advanced.writes, resume_data=data)
    match advanced.outcome:
        case Completed(result):
            return replace(plan, status="completed", result=result)
        case Failed(error):
            return replace(plan, status="failed", error=error)
        case Effects(effects):
            kinds = ", ".join(sorted({effect.kind for effect in effects}))
            return replace(plan, status="failed", error=f"action not supported yet: {kinds}")
        case Paused() | Incident():
            opens = _new_pause(plan, advanced, program)
            return replace(plan, status="paused", opens=opens, resume_data=_at_pause(data))


def _at_pause(data: Json) -> Json:
    return resume_data_at_pause(data) if isinstance(data, dict) else None


def _new_pause(plan: Plan, advanced: Advance, program: Program) -> NewPause:
    number = plan.claimed.last_pause + 1
    created = {write.id for write in advanced.writes if isinstance(write, NewApproval)}
    there = created.union(approval.id for approval in plan.claimed.approvals)
    match advanced.outcome:
        case Paused(reason, step_id, ways, waiting, asked):
            return NewPause(
                number, reason, step_id, ways, _counted(waiting, asked), advanced.state,
                program.sha256, asked=asked, earlier=tuple(there.difference(asked)),
            )  # fmt: skip
        case Incident() as what:
            return NewPause(
                number, "incident", advanced.state.step, state=advanced.state,
                definition=program.sha256, incident=what, earlier=tuple(there),
            )  # fmt: skip
        case outcome:
            raise ValueError(f"no pause: {outcome}")


def _counted(waiting: Waiting, asked: tuple[UUID, ...]) -> Waiting:
    """Needed are, where nothing else was said, as many approvals as the step asked for."""
    if not asked or waiting.approvals is not None or waiting.roles:
        return waiting
    return replace(waiting, approvals=len(asked))
