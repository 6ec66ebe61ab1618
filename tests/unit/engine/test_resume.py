from uuid import UUID

import pytest

from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    DecidedApproval,
    Decision,
    Event,
    Manual,
    Resolution,
    TimedOut,
)
from resumer_daemon.engine.outcome import Completed, Paused
from resumer_daemon.engine.resume import resume
from resumer_daemon.engine.state import NextSteps, State
from resumer_daemon.workflow.parser import parse_definition
from tests.unit.engine.driver import NOW

WORLD = AdvanceInputs(now=NOW, execution_id=UUID(int=1), execution_key="e", workflow_id="w")
APPROVAL = parse_definition(
    {
        "steps": [
            {"id": "ask", "type": "require_approval", "on_true": "yes", "on_false": "no"},
            {"id": "yes", "type": "action", "action": "allow"},
            {"id": "no", "type": "action", "action": "block"},
        ]
    }
)
WAIT = parse_definition({"steps": [{"id": "w", "type": "wait", "event": "e"}]})


def decision(word) -> Resolution:
    decided = DecidedApproval(UUID(int=9), "appr_9", word, None, None, None)
    return Decision(decided, (decided,))


def test_a_flow_that_has_not_begun_begins() -> None:
    assert resume(APPROVAL, None, NextSteps(), Manual("manual", None, None)) == begin(
        APPROVAL, None
    )


def test_another_programs_pause_follows_the_ways_that_were_found_for_it() -> None:
    state = resume(APPROVAL, State("ask"), NextSteps(approved="yes"), decision("approved"))
    assert (state.step, state.result) == ("yes", "allowed")


@pytest.mark.parametrize("answer", [Event({"approved": True}), Event(None)])
def test_an_event_never_approves(answer) -> None:
    paused = advance_once(APPROVAL, begin(APPROVAL, None), {}, WORLD)
    assert isinstance(paused.outcome, Paused)
    state = resume(APPROVAL, paused.state, paused.outcome.next_steps, answer)
    assert isinstance(advance_once(APPROVAL, state, {}, WORLD).outcome, Paused)


def test_a_decision_ends_no_wait() -> None:
    paused = advance_once(WAIT, begin(WAIT, None), {}, WORLD)
    assert isinstance(paused.outcome, Paused)
    state = resume(WAIT, paused.state, paused.outcome.next_steps, decision("approved"))
    assert isinstance(advance_once(WAIT, state, {}, WORLD).outcome, Paused)


def test_the_time_of_an_approval_is_its_expiry() -> None:
    paused = advance_once(APPROVAL, begin(APPROVAL, None), {}, WORLD)
    assert isinstance(paused.outcome, Paused)
    state = resume(APPROVAL, paused.state, paused.outcome.next_steps, TimedOut())
    assert advance_once(APPROVAL, state, {}, WORLD).outcome == Completed(
        "blocked", "Action blocked by workflow"
    )


def test_what_time_is_left_is_kept() -> None:
    paused = advance_once(APPROVAL, begin(APPROVAL, 30.0), {}, WORLD)
    assert isinstance(paused.outcome, Paused)
    state = resume(APPROVAL, paused.state, paused.outcome.next_steps, decision("approved"))
    assert (state.time_left, state.allowed_time) == (30.0, 30.0)
