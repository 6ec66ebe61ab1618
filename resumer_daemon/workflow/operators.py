"""The operators of conditions, each a question about a field's value and the value beside it."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from resumer_daemon.workflow import patterns
from resumer_daemon.workflow.faults import ConditionFault
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.membership import among
from resumer_daemon.workflow.values import is_number, printed, same
from resumer_daemon.workflow.wording import shown

Operator: TypeAlias = Callable[[Json, Json], bool]


def _ordering(compare: Callable[[Json, Json], bool]) -> Operator:
    def ordered(actual: Json, value: Json) -> bool:
        for side in (actual, value):
            if not is_number(side):
                raise ConditionFault(f"ordering needs numbers on both sides, found {shown(side)}")
        return compare(actual, value)

    return ordered


def _found_in(actual: Json, value: Json) -> bool:
    if not isinstance(value, list):
        raise ConditionFault(f"expected a list as value, found {shown(value)}")
    return actual is not None and among(actual, value)


def _contains(actual: Json, value: Json) -> bool:
    if isinstance(actual, list):
        return _found_in(value, actual)
    return _in_text(str.__contains__)(actual, value)


def _in_text(question: Callable[[str, str], bool]) -> Operator:
    def ask(actual: Json, value: Json) -> bool:
        if actual is None:
            return False
        if not isinstance(actual, str):
            raise ConditionFault(f"expected a text in the field, found {shown(actual)}")
        return value is not None and question(actual, printed(value))

    return ask


def _regex(actual: Json, value: Json) -> bool:
    if isinstance(value, list | dict):
        raise ConditionFault(f"expected a pattern as value, found {shown(value)}")
    patterns.check_pattern(printed(value))
    if isinstance(actual, list | dict):
        raise ConditionFault(f"expected a text in the field, found {shown(actual)}")
    if actual is None or value is None:
        return False
    return patterns.matches_pattern(printed(value), printed(actual))


def _negated(operator: Operator) -> Operator:
    return lambda actual, value: not operator(actual, value)


def _named(*table: tuple[tuple[str, ...], Operator]) -> Mapping[str, Operator]:
    return {name: operator for names, operator in table for name in names}


OPERATORS: Final = _named(
    (("eq", "=="), same),
    (("neq", "!="), _negated(same)),
    (("gt", ">"), _ordering(lambda actual, value: bool(actual > value))),
    (("gte", ">="), _ordering(lambda actual, value: bool(actual >= value))),
    (("lt", "<"), _ordering(lambda actual, value: bool(actual < value))),
    (("lte", "<="), _ordering(lambda actual, value: bool(actual <= value))),
    (("in",), _found_in),
    (("not_in",), _negated(_found_in)),
    (("contains",), _contains),
    (("starts_with",), _in_text(str.startswith)),
    (("ends_with",), _in_text(str.endswith)),
    (("regex",), _regex),
)
"""Every operator that compares; `exists` and `not_exists` ask for the field, not for its value."""

EXISTENCE: Final = {"exists": True, "not_exists": False}
"""The operators that only ask whether the path leads somewhere, and the answer they hope for."""
