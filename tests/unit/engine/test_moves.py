"""The retry of an incident goes on, and does not run into the same one at once."""

from typing import Any
from uuid import UUID

from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    ClaimedExecution,
    Limits,
    Pause,
    ResumeRequest,
)
from resumer_daemon.engine.plan import PinnedDefinition, Plan
from resumer_daemon.engine.planner import Definitions, plan_claimed
from resumer_daemon.engine.state import NextSteps, WaitCondition
from resumer_daemon.workflow.parser import parse_definition
from tests.unit.engine.driver import NOW

WORLD = AdvanceInputs(NOW, UUID(int=1), "e", "w", limits=Limits(step_budget=5, items=3))
ROUND = {"id": "round", "type": "execute", "execute": [{"type": "log"}], "next": "round"}


def starts() -> ClaimedExecution:
    request = ResumeRequest(1, "start")
    return ClaimedExecution(
        UUID(int=1), "e", "pending", UUID(int=2), "w", None, None, None, {"items": [1]}, None, 0,
        (request,), (),
    )  # fmt: skip


def again(claimed: ClaimedExecution, plan: Plan) -> ClaimedExecution:
    """Return the execution as a claim would read it once the plan is recorded and a retry asked."""
    opened = plan.opens
    assert opened is not None
    assert opened.incident is not None
    pause = Pause(
        opened.number, "incident", opened.step_id, NextSteps(), WaitCondition(), opened.state,
        opened.definition,
    )  # fmt: skip
    return ClaimedExecution(
        claimed.id, "e", "paused", claimed.workflow, "w", None, plan.context or claimed.context,
        None, None, pause, opened.number, (ResumeRequest(2, "retry", actor="ann"),), (),
    )  # fmt: skip


def steps_of_each_run(step: dict[str, Any]) -> list[int]:
    program = PinnedDefinition("sha", parse_definition({"steps": [step]}))
    programs = Definitions({"sha": program}, {UUID(int=2): program})
    claimed, taken = starts(), []
    for _ in range(3):
        plan = plan_claimed(claimed, programs, WORLD)
        assert plan.opens is not None, plan.error
        assert plan.opens.incident is not None
        assert plan.opens.incident.cause == "step_budget"
        taken.append(len(plan.records))
        claimed = again(claimed, plan)
    return taken


def test_a_budget_of_the_top_level_begins_anew() -> None:
    assert steps_of_each_run(ROUND) == [5, 5, 5]


def test_a_budget_of_an_item_begins_anew() -> None:
    each = {"id": "each", "type": "foreach", "items": "{{items}}", "item_var": "it"}
    assert steps_of_each_run({**each, "steps": [ROUND]}) == [5, 5, 5]
