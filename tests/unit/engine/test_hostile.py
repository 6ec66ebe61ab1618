"""Data from strangers: whatever it is, an advance ends with a result."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.engine.outcome import EffectResult, Failed
from resumer_daemon.engine.state import State, StepProgress
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import dump
from tests.unit.engine.driver import NOW

WORLD = AdvanceInputs(now=NOW, execution_id=UUID(int=1), execution_key="e", workflow_id="w")
ACTS = [
    {"type": "log", "message": "{{x}}"},
    {"type": "notify", "recipients": "{{x}}", "message": "{{x}}!"},
    {"type": "create_record", "entity": "e", "data": {"x": "{{x}}", "__proto__": "{{x}}"}},
    {"type": "create_approval_request", "entity": "{{x}}", "approver_id": "{{x}}"},
    {"type": "webhook", "url": "https://{{x}}", "method": "{{x}}", "headers": {"{{x}}": "{{x}}"}},
    {"type": "webhook", "url": "https://x.example", "headers": "{{x}}", "body": "{{x}}"},
]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES = [
    "\x00",
    "\ud800",
    "a" * 1_000_000,
    10**4_000,
    Decimal("1e-4000"),
    nested(120),
    {"__proto__": {"__class__": 1}},
    ["", None, {}],
    "{{x}}" * 1_000,
    "\ufdd0KEY\ufdd1",
    "[::1",
    "x:99999",
    True,
    None,
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act["type"])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_in_any_action(act, value) -> None:
    definition = parse_definition(
        {"steps": [{"id": "x", "type": "execute", "execute": [{**act, "continue_on_error": True}]}]}
    )
    advanced = advance_once(definition, begin(definition, None), {"x": value}, WORLD)
    assert dump(advanced.state.to_json())
    for record in advanced.records:
        assert dump(dict(record.output))


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_in_a_condition_a_list_a_match_or_a_reason(value) -> None:
    definition = parse_definition(
        {
            "steps": [
                {
                    "id": "c",
                    "type": "condition",
                    "condition": {"field": "x", "operator": "contains", "value": "{{x}}"},
                    "on_true": "f",
                    "on_false": "f",
                    "on_error": "f",
                },
                {
                    "id": "f",
                    "type": "foreach",
                    "items": "{{x}}",
                    "item_var": "x",
                    "steps": [{"id": "l", "type": "execute", "execute": [ACTS[0]]}],
                    "next": "r",
                    "on_error": "r",
                },
                {"id": "r", "type": "action", "action": "allow", "reason": "{{x}}.", "next": "w"},
                {"id": "w", "type": "wait", "event": "e", "match": {"{{x}}": "{{x}}"}},
            ]
        }
    )
    advanced = advance_once(definition, begin(definition, None), {"x": value}, WORLD)
    assert [record.step_id for record in advanced.records][-1] == "w"
    assert dump(advanced.state.to_json())


@pytest.mark.parametrize(
    "state",
    [
        State("nowhere"),
        State("x", visits={"y": -1}, steps_taken=-5),
        State("x", time_left=-1.0),
        State("x", awaits="approval", progress={"x/9/9": StepProgress(wait_result="approved")}),
        State("x", progress={"x": StepProgress(wait_result="timeout")}),
        State("x", progress={"x": StepProgress(results=tuple(range(99)), item=99, position=99)}),
        State("x", progress={"x": StepProgress(ended="failed")}),
    ],
)
def test_any_state_of_the_same_shape(state) -> None:
    for step in (
        {"id": "x", "type": "execute", "execute": [ACTS[0]]},
        {"id": "x", "type": "foreach", "items": "{{x}}", "item_var": "i", "steps": [
            {"id": "l", "type": "require_approval"}]},
        {"id": "x", "type": "parallel", "steps": [{"id": "w", "type": "wait", "event": "e"}]},
        {"id": "x", "type": "wait", "event": "e"},
        {"id": "x", "type": "require_approval"},
    ):  # fmt: skip
        definition = parse_definition({"steps": [step]})
        assert advance_once(definition, state, {"x": [1]}, WORLD, {"x#0": EffectResult()})


def test_a_value_that_grows_while_it_is_rendered_is_refused() -> None:
    definition = parse_definition(
        {"steps": [{"id": "x", "type": "execute", "execute": [
            {"type": "log", "message": "{{x}}" * 1_000}]}]}
    )  # fmt: skip
    advanced = advance_once(definition, begin(definition, None), {"x": "a" * 1_000_000}, WORLD)
    assert isinstance(advanced.outcome, Failed)
