"""Drive a definition through the engine to its end, watching what must hold at every point."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    DecidedApproval,
    Decision,
    Event,
    Limits,
    Manual,
    Resolution,
    Rule,
    TimedOut,
)
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    Effect,
    EffectResult,
    Effects,
    Failed,
    Incident,
    NewApproval,
    OutboxMessage,
    Outcome,
    Paused,
    StepRecord,
    Write,
)
from resumer_daemon.engine.resume import (
    resume,
    resume_data_after,
    resume_data_at_pause,
    resume_inside,
)
from resumer_daemon.engine.state import NextSteps, State
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json, dump, load

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
GOOD = {"conditions": [{"field": "total", "operator": "gt", "value": 1}]}
RULES = {
    "good": Rule("condition", True, GOOD),
    "off": Rule("condition", False, GOOD),
    "empty": Rule("condition", True, {"conditions": []}),
}
RESULTS = {
    "ok": EffectResult(data={"status_code": 200}),
    "500": EffectResult(data={"status_code": 500}),
    "timeout": EffectResult("timed out", "timeout"),
    "fault": EffectResult("not allowed", "fault"),
}


@dataclass
class Driver:
    """One execution. `answers` and `results` are asked whenever the engine waits for something.

    `hurried`: its time is always up.
    """

    definition: Definition
    context: Json = field(default_factory=dict)
    answers: Callable[[], str] = lambda: "approved"
    results: Callable[[Effect], str] = lambda _: "ok"
    limits: Limits = field(default_factory=lambda: Limits(step_budget=8))
    time_left: float | None = None
    seconds: float = 1.0
    turns: int = 12
    one_by_one: bool = False
    hurried: bool = False
    records: list[StepRecord] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    succeeded: Counter[str] = field(default_factory=Counter)
    largest_state: int = 0
    incidents: int = 0
    turn: int = 0
    end: Outcome | None = None

    def run(self) -> "Driver":
        """Run to the end, or until nobody wants to know any more."""
        self.state = begin(self.definition, self.time_left)
        self.data: dict[str, Json] = {}
        self.pauses, self.now = 0, NOW
        self.told: dict[str, EffectResult] = {}
        self.under_way: set[str] = set()
        while self.turn < self.turns:
            self.turn += 1
            advanced = self._advance()
            match advanced.outcome:
                case Completed() | Failed():
                    self.end = advanced.outcome
                    break
                case Effects(effects):
                    self.told = dict(self._told(effects))
                case Paused(_, _, ways):
                    self._resume(ways, _ANSWERS[self.answers()])
                case Incident():
                    self.incidents += 1
                    self._resume(NextSteps(), Manual("retry", "ann", None))
        return self

    def _advance(self) -> Advance:
        context = effective(self.context, self.data)
        advanced = advance_once(self.definition, self.state, context, self._world(), self.told)
        if self.turn < 12:
            # Again from the very same objects: had the first time changed one, this would tell.
            again = advance_once(self.definition, self.state, context, self._world(), self.told)
            assert again == advanced, "advance is deterministic, and changes nothing it is given"
        stored = dump(advanced.state.to_json())
        self.largest_state = max(self.largest_state, len(stored))
        self.state = State.from_json(load(stored))
        assert self.state == advanced.state, "a JSON round trip changes nothing"
        self.now += timedelta(seconds=self.seconds)
        self._collect(advanced)
        return advanced

    def _collect(self, advanced: Advance) -> None:
        self.records += advanced.records
        self.writes += advanced.writes
        self.under_way -= self.told.keys()
        match advanced.outcome:
            case Effects(effects):
                self.effects += effects
                assert self.under_way <= {effect.path for effect in effects}, "none is forgotten"
                self.under_way = {effect.path for effect in effects}
            case Paused():
                assert not self.under_way, "it pauses when no effect is under way"

    def _world(self) -> AdvanceInputs:
        return AdvanceInputs(
            now=self.now,
            execution_id=UUID(int=1),
            execution_key="exec_1",
            workflow_id="w",
            pause_number=self.pauses,
            elapsed=self.seconds if self.told else 0.0,
            rules=RULES,
            limits=self.limits,
            out_of_time=lambda: self.hurried,
        )

    def _told(self, effects: tuple[Effect, ...]) -> Iterator[tuple[str, EffectResult]]:
        for effect in effects:
            result = RESULTS.get(self.results(effect))
            if result is not None:
                self.succeeded[effect.key] += result is RESULTS["ok"]
                yield effect.path, result
                if self.one_by_one:
                    return

    def _resume(self, ways: NextSteps, answer: Resolution) -> None:
        self.pauses += 1
        self.told = {}
        self.data = resume_data_after(
            resume_data_at_pause(self.data), answer, number=self.pauses, at=self.now
        )
        branches = self.state.branches
        if branches and not (isinstance(answer, Manual) and answer.trigger == "retry"):
            self.state = resume_inside(self.state, {branches[0].path: answer})
        else:
            self.state = resume(self.definition, self.state, ways, answer)

    def trace(self) -> dict[str, list[tuple[str | None, Json]]]:
        """Return what was recorded of each place, without what depends on how often it paused."""
        trace: dict[str, list[tuple[str | None, Json]]] = {}
        for each in self.records:
            trace.setdefault(each.path, []).append((each.error, _nameless(dict(each.output))))
        return trace

    def names(self) -> list[str]:
        """Return the names of everything that was written."""
        return [_name(write) for write in self.writes]


def _decided(decision: Any) -> Decision:
    decided = DecidedApproval(UUID(int=9), "appr_9", decision, None, "why", None)
    return Decision(decided, (decided,))


_ANSWERS: dict[str, Resolution] = {
    "approved": _decided("approved"),
    "rejected": _decided("rejected"),
    "expired": _decided("expired"),
    "event": Event({"approved": True}),
    "timeout": TimedOut(),
    "manual": Manual("manual", "ann", None, {"total": 9}),
    "refused": Manual("manual", "ann", None, {"approved": False}),
    "retry": Manual("retry", "ann", None),
}


def _name(write: Write) -> str:
    match write:
        case NewApproval():
            return str(write.id)
        case OutboxMessage():
            return write.key


_DRAWN = frozenset({"id", "request_id", "due_at"})


def _nameless(value: Json) -> Json:
    match value:
        case dict():
            return {key: _nameless(each) for key, each in value.items() if key not in _DRAWN}
        case list():
            return [_nameless(each) for each in value]
        case _:
            return value
