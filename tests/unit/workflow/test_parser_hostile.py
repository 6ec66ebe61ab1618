from typing import Any

import pytest

from resumer_daemon.workflow.definition import (
    ActionStep,
)
from resumer_daemon.workflow.parser import parse_definition
from tests.unit.workflow.spelled import error, step


def test_names_of_python_mean_nothing():
    found = step(
        {"type": "action", "action": "allow", "__proto__": {"type": "wait"}, "__class__": 1}
    )
    assert found == ActionStep(id="s", action="allow")


def test_what_cannot_be_stored_is_replaced():
    found = step(
        {"type": "action", "action": "block", "reason": "a\0b\ud800", "metadata": {"\0": "\0"}}
    )
    assert found.reason == "a\ufffdb\ufffd"
    assert found.metadata == {"\ufffd": "\ufffd"}


@pytest.mark.parametrize("hostile", [{1: 2}, [object()], 10**5000, float("nan"), (1,)], ids=type)
def test_what_is_no_json_breaks_the_step(hostile):
    assert error({"type": "action", "action": "allow", "metadata": hostile}).startswith(
        "$.steps[0]: "
    )


def test_what_is_nested_too_deeply_breaks_the_step():
    deep: Any = "x"
    for _ in range(10_000):
        deep = [deep]
    assert "nested more than 128 levels" in error({"type": "condition", "condition": deep})
    assert parse_definition({"steps": [], "trigger": {"data": deep}}).trigger == {}
