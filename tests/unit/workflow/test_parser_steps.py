import json
from pathlib import Path

import pytest

from resumer_daemon.workflow.definition import (
    Action,
    ActionStep,
    ConditionStep,
    ExecuteStep,
    RetryPolicy,
)
from resumer_daemon.workflow.parser import parse_definition
from tests.unit.workflow.spelled import error, step


def test_any_step_may_carry():
    found = step({
        "type": "execute", "execute": [{"type": "log"}], "next": "n", "on_error": "e",
        "timeout": "1h30m", "delivery": "at_most_once", "metadata": {"k": [1]},
        "retry": {"max_attempts": 3, "backoff": "linear", "retry_on": ["timeout", 503, "5xx"]},
    })  # fmt: skip
    assert found == ExecuteStep(
        id="s", execute=(Action(type="log"),), next="n", on_error="e", timeout=5400.0,
        delivery="at_most_once", metadata={"k": [1]},
        retry=RetryPolicy(max_attempts=3, backoff="linear", retry_on=("timeout", "503", "5xx")),
    )  # fmt: skip


@pytest.mark.parametrize("absent", [None, ""])
def test_null_and_an_empty_text_are_absent(absent):
    keys = "next", "on_error", "timeout", "delivery", "metadata", "retry", "reason", "requires"
    written = {"type": "action", "action": "block", **dict.fromkeys(keys, absent)}
    assert step(written) == ActionStep(id="s", action="block")


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        ({}, RetryPolicy()),
        ({"max_attempts": 0}, RetryPolicy(max_attempts=1)),
        ({"max_attempts": -3}, RetryPolicy(max_attempts=1)),
        ({"max_attempts": 3.0}, RetryPolicy(max_attempts=3)),
        ({"backoff": "exponential"}, RetryPolicy(backoff="exponential")),
        ({"backoff": "constant"}, RetryPolicy(backoff="fixed")),
        ({"backoff": 5}, RetryPolicy(backoff="fixed")),
        ({"retry_on": []}, RetryPolicy()),
        ({"retry_on": ["*", "*"]}, RetryPolicy(retry_on=("*",))),
    ],
)
def test_retry(retry, expected):
    assert step({"type": "action", "action": "allow", "retry": retry}).retry == expected


@pytest.mark.parametrize(
    "of", [{"type": "action", "action": "allow"}, {"type": "execute", "execute": [{"type": "log"}]},
           {"type": "condition"}, {"type": "parallel", "steps": [{"type": "condition"}]},
           {"type": "require_approval", "requires": {"timeout": "1h"}}]
)  # fmt: skip
@pytest.mark.parametrize("timeout", ["soon", "-1s", "0s", "3 days", 0, True, ["30s"]])
def test_a_timeout_that_is_not_understood_breaks_its_step(of, timeout):  # C9
    broken = step({**of, "timeout": timeout})
    assert "timeout: expected a duration" in broken.error
    assert not broken.gate


def test_a_timeout_may_be_a_number_of_seconds():  # C9
    assert step({"type": "action", "action": "allow", "timeout": 30}).timeout == 30.0


def test_a_broken_step_keeps_its_way_out():
    broken = step({"type": "parallel", "on_fail": "e", "next": "n", "strategy": "most"})
    assert (broken.written_type, broken.next, broken.on_error) == ("parallel", "n", "e")


def test_a_broken_step_breaks_nothing_else():
    definition = parse_definition(
        {"steps": [{"id": "a", "type": "x"}, {"id": "b", "type": "action", "action": "allow"}]}
    )
    assert [step.type for step in definition.steps] == ["broken", "action"]


NOT_UNDERSTOOD = json.loads(Path(__file__).with_name("not_understood.json").read_text())


@pytest.mark.parametrize(("written", "path", "expected"), NOT_UNDERSTOOD)
def test_what_is_not_understood_is_named_by_its_path_and_what_was_expected(written, path, expected):
    message = error(written)
    assert message.startswith(f"$.steps[0].{path}: expected ")
    assert expected in message


def test_a_condition_step():
    condition = {"field": "a", "operator": "eq", "value": 1}
    written = {"type": "condition", "condition": condition, "on_true": "t", "on_false": "f"}
    assert step(written) == ConditionStep(id="s", condition=condition, on_true="t", on_false="f")
    assert step({"type": "condition", "rule_id": "r"}) == ConditionStep(id="s", rule_id="r")
    assert step({"type": "condition", "rule_id": "", "condition": None}) == ConditionStep(id="s")
