"""Ten megabytes of definition, in every direction: nothing takes more than linear time."""

import json
from typing import Any

import pytest

from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.errors import DefinitionError, StepError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import load

MANY = 5_000
ALLOW: dict[str, Any] = {"type": "action", "action": "allow"}


def line() -> list[dict[str, Any]]:
    return [{"id": str(at), **ALLOW, "next": str(at + 1)} for at in range(MANY)]


def loop() -> list[dict[str, Any]]:
    return [*line(), {"id": str(MANY), **ALLOW, "next": "0"}]


def members() -> list[dict[str, Any]]:
    return [{"id": "p", "type": "parallel", "steps": [ALLOW] * MANY}]


def actions() -> list[dict[str, Any]]:
    acts = [{"type": "log", "message": "{{a}} {{b}} {{c}}"}] * MANY
    return [{"id": "e", "type": "execute", "execute": acts}]


def comparisons() -> list[dict[str, Any]]:
    parts = [{"field": f"f{at}", "operator": "eq", "value": "{{g}}"} for at in range(MANY)]
    return [{"id": "c", "type": "condition", "condition": {"and": parts}}]


def names() -> list[dict[str, Any]]:
    condition = {"operator": "exists"}
    asks = [
        {"id": f"c{at}", "type": "condition", "condition": {**condition, "field": f"orders{at}"}}
        for at in range(MANY)
    ]
    reasons = [{"id": f"n{at}", **ALLOW, "reason": f"{{{{order{at}}}}}"} for at in range(MANY)]
    return [*asks, *reasons]


def groups() -> list[dict[str, Any]]:
    step: dict[str, Any] = {"id": "x", **ALLOW}
    for _ in range(MANY):
        step = {"id": "x", "type": "parallel", "steps": [step]}
    return [step]


def long_text() -> list[dict[str, Any]]:
    return [{"id": "a", **ALLOW, "reason": "{{" * 5_000_000}]


@pytest.mark.parametrize(
    "written", [line, loop, members, actions, comparisons, names, groups, long_text]
)
def test_a_huge_definition_is_read_and_checked(written):
    document = {"steps": written()}
    assert parse_definition(document).steps
    assert all(len(finding.message) < 1_000 for finding in check(document))


def test_a_huge_id_is_refused_in_a_few_words():
    with pytest.raises(DefinitionError) as caught:
        parse_definition({"steps": [{"id": "a" * 10_000_000}]})
    assert len(str(caught.value)) < 200


def test_json_of_ten_megabytes_is_read_or_refused():
    text = json.dumps({"steps": [{"id": str(at), "x": "y" * 100} for at in range(80_000)]})
    assert len(text) > 10_000_000
    assert len(load(text)["steps"]) == 80_000
    with pytest.raises(StepError):
        load('{"steps":' + "[" * 10_000_000)
