"""Simulate: where an execution would go, were these the answers. No effect and no write.

The same settle, resume and advance as a daemon's; effects are answered as if all of them went well.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from resumer_daemon.engine.advance import begin
from resumer_daemon.engine.answer import Answer, Decision, TimedOut
from resumer_daemon.engine.branch import PAUSE
from resumer_daemon.engine.chunks import advance_through
from resumer_daemon.engine.explained import comparisons
from resumer_daemon.engine.outcome import (
    Advance,
    Effect,
    EffectResult,
    Effects,
    Incident,
    StepRecord,
    Write,
)
from resumer_daemon.engine.requests import Claimed, OpenPause
from resumer_daemon.engine.resume import resume, resume_data_after, resume_inside
from resumer_daemon.engine.script import Answers, Script, take
from resumer_daemon.engine.standing import Stop, stands
from resumer_daemon.engine.state import State
from resumer_daemon.engine.world import World
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.conditions import Comparison
from resumer_daemon.workflow.context import build, effective
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json

CarryOut: TypeAlias = Callable[[Effect], EffectResult]

ROUNDS: Final = 20_000
"""How many rounds of effects one stretch may take: a definition can be anybody's."""

# So that records keep their order from one round to the next; templates show whole seconds.
_ROUND_TRIP: Final = timedelta(milliseconds=10)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Seen:
    """One attempt of a step, and what it compared where it is a condition."""

    record: StepRecord
    comparisons: tuple[Comparison, ...] = ()


@frozen
class Stretch:
    """From answers (none: from the start) to the next pause, or to the end."""

    answers: tuple[Answer, ...]
    steps: tuple[Seen, ...]
    writes: tuple[Write, ...]
    stop: Stop

    @property
    def answer(self) -> Answer | None:
        """The first of the answers."""
        return next(iter(self.answers), None)


@frozen
class Simulation:
    """What would happen, where the execution would stand then, and the answers that nothing met."""

    stretches: tuple[Stretch, ...]
    claimed: Claimed
    unused: Script


def as_if_done(_: Effect) -> EffectResult:
    """Answer an effect that is never carried out."""
    return EffectResult(data={"status_code": 200, "response": ""})


def simulate(
    definition: Definition,
    claimed: Claimed,
    world: World,
    script: Script,
    carry_out: CarryOut = as_if_done,
) -> Simulation:
    """Play the answers to an execution that is to start or is paused, until they or it end.

    What was decided already, and only waits for a daemon, comes before the script.
    """
    rehearsal = _Rehearsal(definition, claimed, world, carry_out)
    if claimed.status == "pending":
        rehearsal.start()
    while True:
        answers, script = take(rehearsal.claimed, script, rehearsal.world.now)
        if not answers:
            return Simulation(tuple(rehearsal.stretches), rehearsal.claimed, script)
        rehearsal.resume(answers)


class _Rehearsal:
    """An execution that exists here alone, and moves."""

    def __init__(
        self, definition: Definition, claimed: Claimed, world: World, carry_out: CarryOut
    ) -> None:
        if claimed.status == "pending" or claimed.context is None:
            claimed = replace(claimed, context=build(claimed.payload, world.loaded, world.now))
        self.definition = definition
        self.claimed = claimed
        self.world = world
        self.stretches: list[Stretch] = []
        self._carry_out = carry_out

    def start(self) -> None:
        """Run from the first step to the first stop."""
        timeout = self.definition.timeout or self.world.default_timeout
        self._play((), begin(self.definition, timeout), _object(self.claimed.resume_data))

    def resume(self, answers: Answers) -> None:
        """Run from the open pause to the next stop."""
        pause = self.claimed.pause
        if pause is None:
            raise ValueError("a resume needs an open pause")
        due = [_due(path, each, pause, self.claimed) for path, each in answers.items()]
        now = max([self.world.now, *(each for each in due if each is not None)])
        self.world = replace(self.world, now=now, pause_number=self.claimed.last_pause)
        if pause.state is None or PAUSE in answers:
            state = resume(self.definition, pause.state, pause.ways, answers[PAUSE])
        else:
            state = resume_inside(pause.state, answers)
        given = tuple(answers.values())
        data = _object(self.claimed.resume_data)
        self._play(given, state, resume_data_after(data, *given, number=pause.number, at=now))

    def _play(self, answers: tuple[Answer, ...], state: State, data: dict[str, Json]) -> None:
        context = effective(self.claimed.context, data)
        advanced = self._advance(state, context)
        records = sorted(advanced.records, key=lambda record: record.began or _EPOCH)
        steps = tuple(
            Seen(record, comparisons(record, self.definition, context, self.world.rules))
            for record in records
        )
        stop = advanced.outcome
        if isinstance(stop, Effects):
            stop = Incident("simulation", f"{ROUNDS:,} rounds of effects, and no end", "")
        self.stretches.append(Stretch(answers, steps, advanced.writes, stop))
        self.claimed = stands(self.claimed, stop, advanced, data)

    def _advance(self, state: State, context: Mapping[str, Json]) -> Advance:
        """Advance past all effects, for they are answered here; at most `ROUNDS` of them."""
        advanced = advance_through(self.definition, state, context, self.world)
        records, writes = [*advanced.records], [*advanced.writes]
        for _ in range(ROUNDS):
            if not isinstance(advanced.outcome, Effects):
                break
            self.world = replace(self.world, now=self.world.now + _ROUND_TRIP)
            results = {each.path: self._carry_out(each) for each in advanced.outcome.effects}
            advanced = advance_through(
                self.definition, advanced.state, context, self.world, results
            )
            records += advanced.records
            writes += advanced.writes
        return advanced._replace(records=tuple(records), writes=tuple(writes))


def _due(path: str, answer: Answer, pause: OpenPause, claimed: Claimed) -> datetime | None:
    """Return when a timeout or an expiry comes: a simulation lets that time pass."""
    match answer:
        case TimedOut():
            due = (each.waiting.due_at for each in pause.branches if each.path == path)
            return next(due, None)
        case Decision(deciding) if deciding.decision == "expired":
            expiries = (a.expires_at for a in claimed.approvals if a.id == deciding.id)
            expires_at = next(expiries, None)
            return datetime.fromisoformat(expires_at) if expires_at else None
        case _:
            return None


def _object(document: Json) -> dict[str, Json]:
    return document if isinstance(document, dict) else {}
