from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from resumer_daemon.engine.state import (
    VERSION,
    Branch,
    NextSteps,
    State,
    StepProgress,
    WaitCondition,
)
from resumer_daemon.errors import OperationRefused
from resumer_daemon.workflow.values import dump, load
from tests.unit.engine.driver import NOW

STATES = Path(__file__).parent / "states"

WAITS = Branch(
    "each/7/2",
    "ask",
    "approval_required",
    NextSteps(approved="each", rejected="ended", expired="late"),
    WaitCondition(
        2,
        ("legal", "cfo"),
        match={"a": 1},
        due_at=NOW + timedelta(days=1),
        minimum=1,
        created_for={"x": "legal"},
    ),
    (UUID(int=1), UUID(int=2)),
    NOW,
)


PROGRESS = StepProgress(
    attempt=3,
    began=NOW,
    clock=0.1 + 0.2,
    results=({"type": "log", "success": True},),
    unresolved=("a.b",),
    approval_ids=("id",),
    pending={"key": "k", "request": {"url": "u"}, "attempt": 2},
    wait_result="rejected",
    note="no",
    ended="failed",
    error="approval rejected",
    retry_class="503",
    final=True,
    item=7,
    position=2,
    steps_taken=9,
    steps_before_resume=4,
)
FULL = State(
    step="each",
    visits={"each": 2},
    steps_taken=5,
    steps_taken_inside=1_000,
    result="blocked",
    reason="why",
    progress={"each": PROGRESS, "each/7/2": StepProgress(branch=WAITS)},
    awaits="approval",
    time_left=1e-9,
    allowed_time=3600.0,
    clock=12.75,
    loaded={"order": {"total": 1}},
    last_step_began=NOW,
)


def through_json(state: State) -> State:
    return State.from_json(load(dump(state.to_json())))


def test_a_state_that_says_little_is_short() -> None:
    assert dump(State("ask").to_json()) == '{"v":1,"step":"ask"}'
    assert through_json(State("ask")) == State("ask")


def test_a_round_trip_keeps_everything() -> None:
    assert through_json(FULL) == FULL


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_stored_states_of_every_version_are_read(version: int) -> None:
    stored = load((STATES / f"v{version}.json").read_text("utf-8"))
    assert stored["v"] == version
    assert State.from_json(stored) == FULL


def test_the_stored_form_of_this_version_has_not_changed() -> None:
    stored = load((STATES / f"v{VERSION}.json").read_text("utf-8"))
    assert dump(FULL.to_json()) == dump(stored)


def test_the_end_is_a_state_too() -> None:
    assert through_json(State(None, result="allowed")) == State(None, result="allowed")


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"v": 2, "step": "a"},
        {"v": 1},
        {"v": "1", "step": "a"},
        {"v": 1, "step": "a", "done": []},
        {"v": 1, "step": "a", "done": {"a": {"began": "yesterday"}}},
        {"v": 1, "step": "a", "time_left": "soon"},
    ],
)
def test_what_nobody_of_us_wrote_is_refused(stored) -> None:
    with pytest.raises(OperationRefused):
        State.from_json(stored)


def test_progress_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    stored = {"v": 1, "step": "a", "done": {"a": {"attempt": 2, "colour": "green"}}}
    assert State.from_json(stored).progress["a"].attempt == 2
