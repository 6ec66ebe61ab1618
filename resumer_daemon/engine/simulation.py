"""Run a scenario without a database. Nothing is sent and nothing is written.

It uses the settlement, resume and advance of the daemon. Every effect is assumed to succeed.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine.advance import advance, begin
from resumer_daemon.engine.identifiers import segment
from resumer_daemon.engine.inputs import (
    VERDICTS,
    AdvanceInputs,
    Approval,
    ClaimedExecution,
    Decision,
    Pause,
    Resolution,
    ResumeRequest,
    Rule,
    TimedOut,
)
from resumer_daemon.engine.moves import deciding_approvals, pause_to_open
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    Effect,
    EffectResult,
    Effects,
    Failed,
    Incident,
    NewApproval,
    Paused,
    StepRecord,
    Write,
)
from resumer_daemon.engine.preload import condition_of
from resumer_daemon.engine.resume import (
    resume,
    resume_data_after,
    resume_data_at_pause,
    resume_inside,
)
from resumer_daemon.engine.settlement import settle
from resumer_daemon.engine.state import PAUSE, State
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.conditions import Comparison, explain
from resumer_daemon.workflow.context import build, effective
from resumer_daemon.workflow.definition import ConditionStep, Definition, ForeachStep, Step
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.templates import follow, reference, rfc3339
from resumer_daemon.workflow.values import Json


def comparisons(
    record: StepRecord,
    definition: Definition,
    context: Mapping[str, Json],
    rules: Mapping[str, Rule],
) -> tuple[Comparison, ...]:
    """Return the comparisons of a condition step's record, none for other steps.

    `context` is the one that the step read. A rule that cannot be evaluated has no comparisons, and
    the record has the error.
    """
    if record.step_type != "condition":
        return ()
    first, *inner = record.path.split("/")
    step = next((step for step in definition.steps if segment(step.id) == first), None)
    while inner and step is not None:
        step, context, inner = _enter(step, context, inner)
    if not isinstance(step, ConditionStep):
        return ()
    try:
        return tuple(explain(condition_of(step, rules), context))
    except StepError:
        return ()


def _enter(
    step: Step, context: Mapping[str, Json], path: list[str]
) -> tuple[Step | None, Mapping[str, Json], list[str]]:
    """Return the member at the path, its context, and the rest of the path."""
    match step.type:
        case "parallel":
            return step.steps[int(path[0])], context, path[1:]
        case "foreach":
            position = int(path[1].partition("@")[0])
            return step.steps[position], _scope(step, context, int(path[0])), path[2:]
        case _:
            return None, context, []


def _scope(step: ForeachStep, context: Mapping[str, Json], number: int) -> dict[str, Json]:
    items = follow(reference(step.items) or "", context)
    return {**context, f"{step.item_var}": items[number], f"{step.item_var}_index": number}


Resolutions: TypeAlias = Mapping[str, Resolution]
ScriptedDecision: TypeAlias = Literal["approved", "rejected", "expired", "timeout", "event"]

_REQUEST: Final = 0


class ScriptedEvent(Frozen):
    """An event of a scenario."""

    type: str
    payload: Json


class Scenario(Frozen):
    """Decisions in their order, one for each pause, and events.

    A wait without a decision takes the first matching event. The decisions `timeout` and `event`
    say which of the two comes first.
    """

    decisions: tuple[ScriptedDecision, ...] = ()
    events: tuple[ScriptedEvent, ...] = ()


def next_resolutions(
    claimed: ClaimedExecution, scenario: Scenario, now: datetime
) -> tuple[Resolutions, Scenario]:
    """Return the next resolutions by path, and the rest of the scenario.

    Stored decisions come before the scenario. Without resolutions, the rest of the scenario does
    not apply.
    """
    pause = claimed.pause
    if claimed.status != "paused" or pause is None or pause.reason == "incident":
        return {}, scenario
    resolutions = settle(claimed).resolutions
    if resolutions:
        return resolutions, scenario
    if pause.reason == "approval_required":
        return _decision(claimed, pause, scenario, now)
    if scenario.decisions[:1] == ("timeout",):
        return _timeout(claimed, pause, scenario)
    return _event(claimed, pause, scenario)


def _decision(
    claimed: ClaimedExecution, pause: Pause, scenario: Scenario, now: datetime
) -> tuple[Resolutions, Scenario]:
    """Decide as the approvers: all requested approvers approve, or one rejects."""
    decision = next(iter(scenario.decisions), None)
    if decision not in VERDICTS:
        return {}, scenario
    branch, owned = pause.approval_branches(claimed.approvals)[0]
    pending = [each for each in owned if each.status == "pending"]
    missing = range((branch.wait.approvals or 1) - len(owned))
    unasked = [_made_up_approval(pause.number, number) for number in missing]
    deciding = [*pending, *unasked] if decision == "approved" else [*pending, *unasked][:1]
    decided = {a.id: a._replace(status=decision, decided_at=rfc3339(now)) for a in deciding}
    approvals = (decided.get(each.id, each) for each in (*claimed.approvals, *unasked))
    resolutions = settle(replace(claimed, approvals=tuple(approvals))).resolutions
    return resolutions, replace(
        scenario, decisions=scenario.decisions[1:]
    ) if resolutions else scenario


def _made_up_approval(pause: int, number: int) -> Approval:
    """Return an approval that a pause needs and that nobody has requested yet."""
    return Approval(UUID(int=pause << 32 | number), f"unasked_{pause}_{number}", "pending")


def _event(
    claimed: ClaimedExecution, pause: Pause, scenario: Scenario
) -> tuple[Resolutions, Scenario]:
    awaited = {branch.wait.event for branch in pause.branches}
    for number, event in enumerate(scenario.events):
        if event.type not in awaited:
            continue
        resolutions = _resolutions_of(
            claimed, ResumeRequest(_REQUEST, "event", decision=event.type, payload=event.payload)
        )
        if resolutions:
            used = scenario.decisions[:1] == ("event",)
            left = scenario.events[:number] + scenario.events[number + 1 :]
            return resolutions, Scenario(scenario.decisions[used:], left)
    return {}, scenario


def _timeout(
    claimed: ClaimedExecution, pause: Pause, scenario: Scenario
) -> tuple[Resolutions, Scenario]:
    timed = [each for each in pause.branches if each.wait.due_at is not None]
    if not timed:
        return {}, scenario
    resolutions = _resolutions_of(
        claimed, ResumeRequest(_REQUEST, "timeout", decision=timed[0].path)
    )
    return resolutions, replace(
        scenario, decisions=scenario.decisions[1:]
    ) if resolutions else scenario


def _resolutions_of(claimed: ClaimedExecution, request: ResumeRequest) -> Resolutions:
    return settle(replace(claimed, requests=(request,))).resolutions


Stop: TypeAlias = Paused | Completed | Failed | Incident


def apply_outcome(
    claimed: ClaimedExecution,
    stop: Stop,
    advanced: Advance,
    data: dict[str, Json],
    resolutions: Iterable[Resolution],
) -> ClaimedExecution:
    """Return the execution at this stop. `data` is its `resume_data` after the resolutions."""
    created = (_pending(each) for each in advanced.writes if isinstance(each, NewApproval))
    stood = replace(
        claimed,
        requests=(),
        approvals=(*claimed.approvals, *created),
        resume_data=resume_data_at_pause(data),
        pause=None,
    )
    match stop:
        case Completed():
            return replace(stood, status="completed")
        case Failed():
            return replace(stood, status="failed")
        case Incident():
            return replace(stood, status="paused")
        case Paused():
            used = deciding_approvals(resolutions)
            pause = pause_to_open(claimed, None, advanced, used).as_read()
            return replace(stood, status="paused", pause=pause, last_pause=pause.number)
        case _:
            assert_never(stop)


def _pending(approval: NewApproval) -> Approval:
    expires_at = approval.expires_at.isoformat() if approval.expires_at else None
    return Approval(
        approval.id, approval.request_id, "pending", approval.approver_id, approval.approver_role,
        expires_at=expires_at,
    )  # fmt: skip


CarryOut: TypeAlias = Callable[[Effect], EffectResult]

ROUNDS: Final = 20_000
"""The rounds of effects that one segment may take, because a definition may loop without end."""

# Keeps records in order from one round to the next. Templates show whole seconds.
_ROUND_TRIP: Final = timedelta(milliseconds=10)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StepTrace(Frozen):
    """One attempt of a step, with the comparisons if it is a condition."""

    record: StepRecord
    comparisons: tuple[Comparison, ...] = ()


class Segment(Frozen):
    """The part of a run from resolutions, or from the start, to the next pause or the end."""

    resolutions: tuple[Resolution, ...]
    steps: tuple[StepTrace, ...]
    writes: tuple[Write, ...]
    stop: Stop

    @property
    def resolution(self) -> Resolution | None:
        """The first resolution, None at the start."""
        return next(iter(self.resolutions), None)


class Simulation(Frozen):
    """The segments of a run, the execution after it, and the unused rest of the scenario."""

    segments: tuple[Segment, ...]
    claimed: ClaimedExecution
    unused: Scenario


def succeed(_: Effect) -> EffectResult:
    """Return the result of an effect that was not sent."""
    return EffectResult(data={"status_code": 200, "response": ""})


def simulate(
    definition: Definition,
    claimed: ClaimedExecution,
    inputs: AdvanceInputs,
    scenario: Scenario,
    carry_out: CarryOut = succeed,
) -> Simulation:
    """Run the scenario on a pending or paused execution until its decisions or the flow end.

    Stored decisions that wait for a daemon come before the scenario.
    """
    simulated = _SimulatedExecution(definition, claimed, inputs, carry_out)
    if claimed.status == "pending":
        simulated.start()
    while True:
        resolutions, scenario = next_resolutions(simulated.claimed, scenario, simulated.inputs.now)
        if not resolutions:
            return Simulation(tuple(simulated.segments), simulated.claimed, scenario)
        simulated.resume(resolutions)


class _SimulatedExecution:
    """An execution that exists only in memory."""

    def __init__(
        self,
        definition: Definition,
        claimed: ClaimedExecution,
        inputs: AdvanceInputs,
        carry_out: CarryOut,
    ) -> None:
        if claimed.status == "pending" or claimed.context is None:
            claimed = replace(claimed, context=build(claimed.payload, inputs.loaded, inputs.now))
        self.definition = definition
        self.claimed = claimed
        self.inputs = inputs
        self.segments: list[Segment] = []
        self._carry_out = carry_out

    def start(self) -> None:
        """Run from the first step to the first stop."""
        timeout = self.definition.timeout or self.inputs.default_timeout
        self._play((), begin(self.definition, timeout), _object(self.claimed.resume_data))

    def resume(self, resolutions: Resolutions) -> None:
        """Run from the open pause to the next stop."""
        pause = self.claimed.pause
        if pause is None:
            raise ValueError("a resume needs an open pause")
        due_at = [_due(path, each, pause, self.claimed) for path, each in resolutions.items()]
        now = max([self.inputs.now, *(each for each in due_at if each is not None)])
        self.inputs = replace(self.inputs, now=now, pause_number=self.claimed.last_pause)
        if pause.state is None or PAUSE in resolutions:
            state = resume(self.definition, pause.state, pause.next_steps, resolutions[PAUSE])
        else:
            state = resume_inside(pause.state, resolutions)
        given = tuple(resolutions.values())
        data = _object(self.claimed.resume_data)
        self._play(given, state, resume_data_after(data, *given, number=pause.number, at=now))

    def _play(
        self, resolutions: tuple[Resolution, ...], state: State, data: dict[str, Json]
    ) -> None:
        context = effective(self.claimed.context, data)
        advanced = self._advance(state, context)
        records = sorted(advanced.records, key=lambda record: record.began or _EPOCH)
        steps = tuple(
            StepTrace(record, comparisons(record, self.definition, context, self.inputs.rules))
            for record in records
        )
        stop = advanced.outcome
        if isinstance(stop, Effects):
            stop = Incident("simulation", f"{ROUNDS:,} rounds of effects without an end", "")
        self.segments.append(Segment(resolutions, steps, advanced.writes, stop))
        self.claimed = apply_outcome(self.claimed, stop, advanced, data, resolutions)

    def _advance(self, state: State, context: Mapping[str, Json]) -> Advance:
        """Advance past all effects, at most `ROUNDS` rounds of them."""
        advanced = advance(self.definition, state, context, self.inputs)
        records, writes = [*advanced.records], [*advanced.writes]
        for _ in range(ROUNDS):
            if not isinstance(advanced.outcome, Effects):
                break
            self.inputs = replace(self.inputs, now=self.inputs.now + _ROUND_TRIP)
            results = {each.path: self._carry_out(each) for each in advanced.outcome.effects}
            advanced = advance(self.definition, advanced.state, context, self.inputs, results)
            records += advanced.records
            writes += advanced.writes
        return advanced._replace(records=tuple(records), writes=tuple(writes))


def _due(path: str, answer: Resolution, pause: Pause, claimed: ClaimedExecution) -> datetime | None:
    """Return when a timeout or an expiry is due, because a simulation lets that time pass."""
    match answer:
        case TimedOut():
            due_at = (each.wait.due_at for each in pause.branches if each.path == path)
            return next(due_at, None)
        case Decision(deciding) if deciding.decision == "expired":
            expiries = (a.expires_at for a in claimed.approvals if a.id == deciding.id)
            expires_at = next(expiries, None)
            return datetime.fromisoformat(expires_at) if expires_at else None
        case _:
            return None


def _object(document: Json) -> dict[str, Json]:
    return document if isinstance(document, dict) else {}
