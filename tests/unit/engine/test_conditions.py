"""What a condition step records of the comparisons that it made."""

from typing import Any

import pytest

from resumer_daemon.workflow.parser import parse_definition
from tests.unit.engine.driver import Driver


def recorded(condition: dict[str, Any], **context: Any) -> list[Any]:
    """Return the comparisons in the record of the step."""
    step = {"id": "big", "type": "condition", "condition": condition}
    driver = Driver(parse_definition({"steps": [step]}), context).run()
    found: list[Any] = driver.records[0].output["data"]["comparisons"]
    return found


def test_a_record_has_field_operator_value_and_what_was_seen() -> None:
    above = {"field": "order.total", "operator": "gt", "value": "{{limit}}"}
    assert recorded(above, order={"total": 12}, limit=10) == [
        {"field": "order.total", "operator": "gt", "value": 10, "actual": 12, "holds": True}
    ]


def test_a_comparison_that_was_not_needed_is_not_recorded() -> None:
    members = [{"field": "n", "operator": "eq", "value": value} for value in (1, 2, 3)]
    assert [each["holds"] for each in recorded({"or": members}, n=2)] == [False, True]


@pytest.mark.parametrize(
    ("actual", "brief"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 61, f'"{"x" * 59}...'),
        ([1, "a", [2], {"b": 3}], [1, "a", "a list", "an object"]),
        (list(range(11)), "a list"),
        ({"secret": "of a customer"}, "an object"),
    ],
)
def test_a_large_value_is_recorded_in_a_few_words(actual: Any, brief: Any) -> None:
    [seen] = recorded({"field": "x", "operator": "exists"}, x=actual)
    assert seen["actual"] == brief


def test_of_many_comparisons_the_last_ten_are_recorded() -> None:
    members = [{"field": "n", "operator": "gt", "value": value} for value in range(64)]
    values = [each["value"] for each in recorded({"and": members}, n=64)]
    assert values == list(range(54, 64))
