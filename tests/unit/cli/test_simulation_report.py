"""A simulation of any definition ends, can be printed, and repeats itself."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console

from resumer_daemon.cli import simulation_report
from resumer_daemon.cli.simulation_document import to_document
from resumer_daemon.cli.simulation_input import Subject
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution, Limits
from resumer_daemon.engine.outcome import Paused
from resumer_daemon.engine.simulation import Scenario, ScriptedEvent, simulate
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition
from tests.harness.examples import examples
from tests.unit.engine.flows import broken_definitions, contexts, definitions

NOBODY = UUID(int=0)
WORLD = AdvanceInputs(
    datetime(2026, 1, 31, tzinfo=UTC), NOBODY, "exec_1", "flow", limits=Limits(step_budget=20)
)
words = st.lists(
    st.sampled_from(("approved", "rejected", "expired", "timeout", "event")), max_size=6
)
events = st.lists(st.builds(ScriptedEvent, st.just("e"), contexts), max_size=3)


@settings(max_examples=examples(80), deadline=None)
@given(definitions | broken_definitions(), contexts, words, events)
def test_it_ends_and_can_be_told(
    document: Any, payload: Any, said: Any, emitted: list[ScriptedEvent]
) -> None:
    try:
        definition = parse_definition(document)
    except DefinitionError:
        assume(False)
    claimed = ClaimedExecution(
        NOBODY, "exec_1", "pending", None, "flow", None, None, None, payload, None, 0, (), ()
    )
    script = Scenario(tuple(said), tuple(emitted))
    played = simulate(definition, claimed, WORLD, script)
    answered = len(said) + len(emitted) - len(played.unused.decisions) - len(played.unused.events)
    assert len(played.segments) <= 1 + answered
    assert all(isinstance(each.stop, Paused) for each in played.segments[:-1])
    assert simulate(definition, claimed, WORLD, script) == played
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_report, "console", Console(quiet=True))
        simulation_report.print_simulated(
            to_document(Subject(definition, claimed, WORLD, {}), played)
        )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("manual", "kept by the manual pause: approved"),
        ("incident", "nothing waited for: approved"),
    ],
)
def test_a_manual_pause_keeps_a_decision(
    capsys: pytest.CaptureFixture[str], reason: str, words: str
) -> None:
    asked = [{"request_id": "appr_1", "status": "pending", "role": "manager"}]
    stands = {"status": "paused", "reason": reason, "step": "ask", "asked": asked}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_report, "console", Console(width=200))
        simulation_report.print_simulated(
            {"execution": "exec_1", "workflow": "flow", "from": stands, "stretches": [],
             "unused": ["approved"]}
        )  # fmt: skip
    printed = capsys.readouterr().out
    assert words in printed
    assert ("decisions are kept until" in printed) is (reason == "manual")
