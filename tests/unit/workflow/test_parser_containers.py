from typing import Any

import pytest

from resumer_daemon.workflow.definition import (
    ActionStep,
    ForeachStep,
    ParallelStep,
    WaitStep,
)
from tests.unit.workflow.spelled import step

MEMBERS = [
    {"id": "a", "type": "action", "action": "allow"},
    {"id": "b", "type": "wait", "event": "e"},
]


@pytest.mark.parametrize(
    "written",
    [
        {"parallel": {"strategy": "best_effort", "steps": MEMBERS}, "next": "n", "on_error": "e"},
        {"strategy": "best_effort", "steps": MEMBERS, "next": "n", "on_error": "e"},
        {"parallel": {"strategy": "best_effort", "steps": MEMBERS}, "on_pass": "n", "on_fail": "e"},
        {"parallel": {"strategy": "best_effort", "steps": MEMBERS, "on_pass": "n", "on_fail": "e"}},
        {"parallel": {"steps": MEMBERS}, "strategy": "best_effort", "on_pass": "n", "on_fail": "e"},
    ],
)
def test_the_spellings_of_parallel(written):
    assert step({"type": "parallel", **written}) == ParallelStep(
        id="s", strategy="best_effort", next="n", on_error="e",
        steps=(ActionStep(id="a", action="allow"), WaitStep(id="b", event="e")),
    )  # fmt: skip


def test_the_default_strategy():
    assert step({"type": "parallel", "steps": MEMBERS}).strategy == "all_must_pass"


@pytest.mark.parametrize(
    "written",
    [
        {
            "foreach": {"items": "{{order.items}}", "item_var": "item", "steps": MEMBERS},
            "next": "n",
        },
        {"items": "{{order.items}}", "item_var": "item", "steps": MEMBERS, "next": "n"},
        {"items": "{{order.items}}", "item_var": "item", "steps": MEMBERS, "on_pass": "n"},
        {
            "foreach": {"items": "{{order.items}}", "item_var": "item"},
            "steps": MEMBERS,
            "next": "n",
        },
    ],
)
def test_the_spellings_of_foreach(written):
    assert step({"type": "foreach", **written}) == ForeachStep(
        id="s", items="{{order.items}}", item_var="item", next="n",
        steps=(ActionStep(id="a", action="allow"), WaitStep(id="b", event="e")),
    )  # fmt: skip


def test_a_broken_member_breaks_only_itself():
    found = step(
        {"type": "parallel", "parallel": {"steps": [{"id": "a", "type": "x"}, *MEMBERS[1:]]}}
    )
    assert [member.type for member in found.steps] == ["broken", "wait"]
    assert found.steps[0].error.startswith("$.steps[0].parallel.steps[0].type: expected ")


def test_a_member_without_an_id_is_named_after_its_place():
    found = step({"type": "parallel", "steps": [{"type": "wait", "for": "1s"}] * 2}, "fraud")
    assert [member.id for member in found.steps] == ["fraud.0", "fraud.1"]
    long = step({"type": "parallel", "steps": [{"type": "wait", "for": "1s"}]}, "x" * 255)
    assert len(long.steps[0].id) <= 255


def test_groups_nest():
    written: Any = {"type": "action", "action": "allow"}
    for _ in range(12):
        written = {"type": "parallel", "steps": [written]}
    found = step(written)
    for _ in range(12):
        (found,) = found.steps
    assert found.type == "action"
