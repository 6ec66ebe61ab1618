"""Play an example without a database: a payload and answers in, the path and the end out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.outcome import Completed, Effect, EffectResult, Failed
from resumer_daemon.engine.simulation import (
    Scenario,
    ScriptedDecision,
    ScriptedEvent,
    Simulation,
    Stop,
    simulate,
)
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json, load

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NOBODY = UUID(int=0)
LETTERS: Mapping[str, ScriptedDecision] = {
    "a": "approved",
    "r": "rejected",
    "e": "expired",
    "t": "timeout",
}


@dataclass(frozen=True)
class Case:
    """One run of an example. `answers`: letters and events; `refused`: path of a step -> status."""

    example: str
    payload: Json
    answers: tuple[str | ScriptedEvent, ...]
    path: str
    end: str
    refused: Mapping[str, int] = field(default_factory=dict)


def document(example: str) -> Json:
    return load((EXAMPLES / f"{example}.json").read_text(encoding="utf-8"))


def play(case: Case) -> Simulation:
    claimed = ClaimedExecution(
        NOBODY, "exec_0001", "pending", None, case.example, None, None, None, case.payload,
        None, 0, (), (),
    )  # fmt: skip
    words = tuple("event" if isinstance(a, ScriptedEvent) else LETTERS[a] for a in case.answers)
    events = tuple(a for a in case.answers if isinstance(a, ScriptedEvent))

    def carry_out(effect: Effect) -> EffectResult:
        status = case.refused.get(effect.path.partition("#")[0], 200)
        return EffectResult(data={"status_code": status, "response": ""})

    world = AdvanceInputs(NOW, NOBODY, "exec_0001", case.example)
    definition = parse_definition(document(case.example))
    return simulate(definition, claimed, world, Scenario(words, events), carry_out)


def path(played: Simulation) -> str:
    """Return the ids of the steps as they began, each with a mark where it failed."""
    records = [seen.record for stretch in played.segments for seen in stretch.steps]
    return " ".join(f"{r.step_id}{'!' * (r.error is not None)}" for r in records)


def end(stop: Stop) -> str:
    match stop:
        case Completed(result, reason):
            return f"{result}: {reason}" if reason else result
        case Failed(error):
            return f"failed: {error}"
        case _:
            return f"stands: {stop}"
