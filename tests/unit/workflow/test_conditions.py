from collections import ChainMap
from typing import Any

import pytest

from resumer_daemon.workflow.conditions import DEPTH, Comparison, decide, explain
from resumer_daemon.workflow.errors import ConditionFault, FieldNotFound, StepError

CONTEXT = {"a": 1, "b": {"c": [1, 2]}, "text": "x" * 65_536, "long": "x" * 65_537}


def test_explaining_tells_each_comparison_with_the_values_it_saw():
    condition = {
        "and": [
            {"field": "a", "operator": "eq", "value": "{{b.c.0}}"},
            {"or": [
                {"field": "b.c", "operator": "contains", "value": 9},
                {"field": "b.d", "operator": "not_exists"},
                {"field": "never", "operator": "eq", "value": "asked"},
            ]},
        ]
    }  # fmt: skip
    assert explain(condition, CONTEXT) == [
        Comparison("a", "eq", 1, 1, True),
        Comparison("b.c", "contains", 9, [1, 2], False),
        Comparison("b.d", "not_exists", None, None, True),
    ]


def test_a_fault_ends_the_explanation_with_what_was_seen_until_then():
    condition = {"and": [
        {"field": "a", "operator": "eq", "value": 1},
        {"field": "b", "operator": "gt", "value": 1},
        {"field": "a", "operator": "eq", "value": 1},
    ]}  # fmt: skip
    first, last = explain(condition, CONTEXT)
    assert first.holds is True
    assert (last.field, last.actual, last.holds) == ("b", CONTEXT["b"], None)
    assert last.error == "ordering needs numbers on both sides, found an object"


def test_a_condition_that_is_none_is_explained_by_its_fault():
    assert explain(None, {}) == [
        Comparison(None, None, error="expected a condition, found null"),
    ]


def test_a_missing_field_is_told_with_its_path():
    with pytest.raises(FieldNotFound) as caught:
        decide({"field": "order.total", "operator": "gt", "value": 5}, {"order": {}})[0]
    assert str(caught.value) == "field not found: order.total"
    assert isinstance(caught.value, StepError)


def test_the_context_may_be_scopes_over_each_other():
    scopes: ChainMap[str, Any] = ChainMap({"item": {"sku": "A"}}, {"item": "outer", "order": 1})
    assert decide({"field": "item.sku", "operator": "eq", "value": "A"}, scopes)[0]
    assert decide({"field": "order", "operator": "eq", "value": 1}, scopes)[0]


def nested(depth: int, join: str = "and") -> Any:
    condition: Any = {"field": "a", "operator": "eq", "value": 1}
    for _ in range(depth):
        condition = {join: [condition]}
    return condition


def test_conditions_nest_to_a_limit():
    assert decide(nested(DEPTH), CONTEXT)[0]
    for depth in (DEPTH + 1, 10_000):
        with pytest.raises(ConditionFault, match="nested more than 64 levels"):
            decide(nested(depth, "or"), CONTEXT)[0]


@pytest.mark.parametrize("operator", ["eq", "neq", "in", "contains", "starts_with", "regex", "gt"])
def test_values_nested_beyond_all_bounds_are_a_fault_at_most(operator):
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    for actual, value in ((deep, deep), (deep, [deep]), ("x", deep), (deep, "x")):
        try:
            condition = {"field": "it", "operator": operator, "value": value}
            decide(condition, {"it": actual})[0]
        except StepError as fault:
            assert len(str(fault)) < 200  # noqa: PT017 - there may be none


def test_a_regex_has_at_most_a_kilobyte():
    assert decide(
        {"field": "text", "operator": "regex", "value": "x" * 1_000}, {"text": "x" * 9_000}
    )[0]
    with pytest.raises(ConditionFault, match="regex has 1,025 bytes, at most 1,024"):
        decide({"field": "text", "operator": "regex", "value": "x" * 1_025}, CONTEXT)[0]
    with pytest.raises(ConditionFault, match="at most 1,024"):
        decide({"field": "text", "operator": "regex", "value": "\u00e9" * 513}, CONTEXT)[0]


def test_a_regex_searches_at_most_64_kilobytes():
    assert decide({"field": "text", "operator": "regex", "value": "x$"}, CONTEXT)[0]
    with pytest.raises(ConditionFault, match="regex input has 65,537 bytes, at most 65,536"):
        decide({"field": "long", "operator": "regex", "value": "x$"}, CONTEXT)[0]


@pytest.mark.parametrize(
    "pattern", ["^(x+)+$y", "(x+x+)+y", "^(x|xx)+$y", "(.*x){20}y", "(x?){100}y", "(((x*)*)*)*y"]
)
def test_no_pattern_blows_up(pattern):
    assert not decide({"field": "text", "operator": "regex", "value": pattern}, CONTEXT)[0]


@pytest.mark.parametrize("pattern", ["(x?){500}y", "((x?){30}){30}y", "([xy]?){900}z"])
def test_a_large_pattern_searches_only_short_texts(pattern):
    with pytest.raises(ConditionFault, match="regex is too large to search 65,536 bytes"):
        decide({"field": "text", "operator": "regex", "value": pattern}, CONTEXT)[0]
    assert not decide({"field": "it", "operator": "regex", "value": pattern}, {"it": "a" * 1_000})[
        0
    ]


# C49
def test_a_pattern_that_takes_long_for_a_text_names_the_length_that_it_may_search():
    pattern = "[ab]*a[ab]{500}c"
    with pytest.raises(ConditionFault, match=r"search 65,000 bytes, at most [\d,]+ with this one"):
        decide({"field": "it", "operator": "regex", "value": pattern}, {"it": "ab" * 32_500})[0]


def test_a_pattern_too_large_to_compile_is_a_fault():
    with pytest.raises(ConditionFault, match="invalid regex: pattern too large"):
        decide({"field": "text", "operator": "regex", "value": r"((\pL\pN.){100}){10}"}, CONTEXT)[0]


def test_a_lone_surrogate_matches_nothing_but_does_no_harm():
    context = {"it": "a\ud800b"}
    assert decide({"field": "it", "operator": "regex", "value": "^a.b$"}, context)[0]
    assert not decide({"field": "it", "operator": "regex", "value": "\ud800\ud800"}, context)[0]


def test_a_list_that_is_no_list_of_conditions_is_shown_short():
    with pytest.raises(ConditionFault) as caught:
        decide({"field": "a", "operator": "gt", "value": "y" * 1_000_000}, CONTEXT)[0]
    assert len(str(caught.value)) < 200
