"""Simulate an execution with given answers. Nothing is sent and nothing is written.

It uses the settlement, resume and advance of the daemon. Every effect is taken to have succeeded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

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
from resumer_daemon.frozen import frozen
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
    """Return the comparisons of a condition's record; none of any other record.

    `context` is the one that the step ran on. A rule that cannot be asked has no comparisons: the
    record's error tells of it.
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
    """Return the member that the path leads to, its context, and the rest of the path."""
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


Answers: TypeAlias = Mapping[str, Resolution]
ScriptedDecision: TypeAlias = Literal["approved", "rejected", "expired", "timeout", "event"]

_REQUEST: Final = 0


@frozen
class ScriptedEvent:
    """An event that somebody would write."""

    type: str
    payload: Json


@frozen
class Scenario:
    """Words in their order, one a pause, and the events that there are.

    A wait without a word takes an event that fits; `timeout` and `event` say which comes first.
    """

    decisions: tuple[ScriptedDecision, ...] = ()
    events: tuple[ScriptedEvent, ...] = ()


def next_resolutions(
    claimed: ClaimedExecution, script: Scenario, now: datetime
) -> tuple[Answers, Scenario]:
    """Return what answers branches of an execution's pause, by path, and the script without it.

    What is written already comes first. None at all: nothing that is left of the script does.
    """
    pause = claimed.pause
    if claimed.status != "paused" or pause is None or pause.reason == "incident":
        return {}, script
    answers = settle(claimed).resolutions
    if answers:
        return answers, script
    if pause.reason == "approval_required":
        return _decision(claimed, pause, script, now)
    if script.decisions[:1] == ("timeout",):
        return _timeout(claimed, pause, script)
    return _event(claimed, pause, script)


def _decision(
    claimed: ClaimedExecution, pause: Pause, script: Scenario, now: datetime
) -> tuple[Answers, Scenario]:
    """Let the approvers decide: all who are asked approve, or one refuses."""
    word = next(iter(script.decisions), None)
    if word not in VERDICTS:
        return {}, script
    branch, owned = pause.approval_branches(claimed.approvals)[0]
    pending = [each for each in owned if each.status == "pending"]
    missing = range((branch.wait.approvals or 1) - len(owned))
    unasked = [_made_up_approval(pause.number, number) for number in missing]
    deciding = [*pending, *unasked] if word == "approved" else [*pending, *unasked][:1]
    said = {a.id: a._replace(status=word, decided_at=rfc3339(now)) for a in deciding}
    approvals = (said.get(each.id, each) for each in (*claimed.approvals, *unasked))
    answers = settle(replace(claimed, approvals=tuple(approvals))).resolutions
    return answers, replace(script, decisions=script.decisions[1:]) if answers else script


def _made_up_approval(pause: int, number: int) -> Approval:
    """Return one of the approvals that a pause needs and nobody has asked for yet."""
    return Approval(UUID(int=pause << 32 | number), f"unasked_{pause}_{number}", "pending")


def _event(claimed: ClaimedExecution, pause: Pause, script: Scenario) -> tuple[Answers, Scenario]:
    awaited = {branch.wait.event for branch in pause.branches}
    for number, event in enumerate(script.events):
        if event.type not in awaited:
            continue
        answers = _resolutions_of(
            claimed, ResumeRequest(_REQUEST, "event", decision=event.type, payload=event.payload)
        )
        if answers:
            said = script.decisions[:1] == ("event",)
            left = script.events[:number] + script.events[number + 1 :]
            return answers, Scenario(script.decisions[said:], left)
    return {}, script


def _timeout(claimed: ClaimedExecution, pause: Pause, script: Scenario) -> tuple[Answers, Scenario]:
    due = [each for each in pause.branches if each.wait.due_at is not None]
    if not due:
        return {}, script
    answers = _resolutions_of(claimed, ResumeRequest(_REQUEST, "timeout", decision=due[0].path))
    return answers, replace(script, decisions=script.decisions[1:]) if answers else script


def _resolutions_of(claimed: ClaimedExecution, request: ResumeRequest) -> Answers:
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


def _pending(asked: NewApproval) -> Approval:
    expires_at = asked.expires_at.isoformat() if asked.expires_at else None
    return Approval(
        asked.id, asked.request_id, "pending", asked.approver_id, asked.approver_role,
        expires_at=expires_at,
    )  # fmt: skip


CarryOut: TypeAlias = Callable[[Effect], EffectResult]

ROUNDS: Final = 20_000
"""How many rounds of effects one stretch may take: a definition can be anybody's."""

# So that records keep their order from one round to the next; templates show whole seconds.
_ROUND_TRIP: Final = timedelta(milliseconds=10)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class StepTrace:
    """One attempt of a step, and what it compared where it is a condition."""

    record: StepRecord
    comparisons: tuple[Comparison, ...] = ()


@frozen
class Segment:
    """From answers (none: from the start) to the next pause, or to the end."""

    resolutions: tuple[Resolution, ...]
    steps: tuple[StepTrace, ...]
    writes: tuple[Write, ...]
    stop: Stop

    @property
    def resolution(self) -> Resolution | None:
        """The first of the answers."""
        return next(iter(self.resolutions), None)


@frozen
class Simulation:
    """What would happen, where the execution would stand then, and the answers that nothing met."""

    segments: tuple[Segment, ...]
    claimed: ClaimedExecution
    unused: Scenario


def succeed(_: Effect) -> EffectResult:
    """Answer an effect that is never carried out."""
    return EffectResult(data={"status_code": 200, "response": ""})


def simulate(
    definition: Definition,
    claimed: ClaimedExecution,
    inputs: AdvanceInputs,
    script: Scenario,
    carry_out: CarryOut = succeed,
) -> Simulation:
    """Play the answers to an execution that is to start or is paused, until they or it end.

    What was decided already, and only waits for a daemon, comes before the script.
    """
    rehearsal = _Rehearsal(definition, claimed, inputs, carry_out)
    if claimed.status == "pending":
        rehearsal.start()
    while True:
        answers, script = next_resolutions(rehearsal.claimed, script, rehearsal.inputs.now)
        if not answers:
            return Simulation(tuple(rehearsal.stretches), rehearsal.claimed, script)
        rehearsal.resume(answers)


class _Rehearsal:
    """An execution that exists here alone, and moves."""

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
        self.stretches: list[Segment] = []
        self._carry_out = carry_out

    def start(self) -> None:
        """Run from the first step to the first stop."""
        timeout = self.definition.timeout or self.inputs.default_timeout
        self._play((), begin(self.definition, timeout), _object(self.claimed.resume_data))

    def resume(self, answers: Answers) -> None:
        """Run from the open pause to the next stop."""
        pause = self.claimed.pause
        if pause is None:
            raise ValueError("a resume needs an open pause")
        due = [_due(path, each, pause, self.claimed) for path, each in answers.items()]
        now = max([self.inputs.now, *(each for each in due if each is not None)])
        self.inputs = replace(self.inputs, now=now, pause_number=self.claimed.last_pause)
        if pause.state is None or PAUSE in answers:
            state = resume(self.definition, pause.state, pause.next_steps, answers[PAUSE])
        else:
            state = resume_inside(pause.state, answers)
        given = tuple(answers.values())
        data = _object(self.claimed.resume_data)
        self._play(given, state, resume_data_after(data, *given, number=pause.number, at=now))

    def _play(self, answers: tuple[Resolution, ...], state: State, data: dict[str, Json]) -> None:
        context = effective(self.claimed.context, data)
        advanced = self._advance(state, context)
        records = sorted(advanced.records, key=lambda record: record.began or _EPOCH)
        steps = tuple(
            StepTrace(record, comparisons(record, self.definition, context, self.inputs.rules))
            for record in records
        )
        stop = advanced.outcome
        if isinstance(stop, Effects):
            stop = Incident("simulation", f"{ROUNDS:,} rounds of effects, and no end", "")
        self.stretches.append(Segment(answers, steps, advanced.writes, stop))
        self.claimed = apply_outcome(self.claimed, stop, advanced, data, answers)

    def _advance(self, state: State, context: Mapping[str, Json]) -> Advance:
        """Advance past all effects, for they are answered here; at most `ROUNDS` of them."""
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
    """Return when a timeout or an expiry comes: a simulation lets that time pass."""
    match answer:
        case TimedOut():
            due = (each.wait.due_at for each in pause.branches if each.path == path)
            return next(due, None)
        case Decision(deciding) if deciding.decision == "expired":
            expiries = (a.expires_at for a in claimed.approvals if a.id == deciding.id)
            expires_at = next(expiries, None)
            return datetime.fromisoformat(expires_at) if expires_at else None
        case _:
            return None


def _object(document: Json) -> dict[str, Json]:
    return document if isinstance(document, dict) else {}
