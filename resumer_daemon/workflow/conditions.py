"""Conditions: `{field, operator, value}`, joined by `and` and `or`, evaluated left to right.

Regular expressions are RE2 only: their time grows with the input, whatever the pattern.
Membership in a long list is decided with a set, because a `foreach` asks the same list again for
each item.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias

import re2

from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.errors import ConditionFault, FieldNotFound, StepError
from resumer_daemon.workflow.reader import describe
from resumer_daemon.workflow.templates import follow, reference
from resumer_daemon.workflow.values import (
    MISSING,
    Json,
    find,
    is_number,
    lookup,
    storable,
    to_text,
    values_equal,
)

DEPTH: Final = 64
"""The deepest nesting of `and` and `or`."""


class Comparison(Frozen):
    """One evaluated comparison: its parts, the actual value, and the result or the error."""

    field: Json
    operator: Json
    value: Json = None
    actual: Json = None
    holds: bool | None = None
    error: str | None = None


def decide(condition: Json, context: Mapping[str, Json]) -> tuple[bool, list[Comparison]]:
    """Return the result of a condition with the comparisons that gave it, in order.

    The last comparison decided.

    Raises:
        StepError: The condition is invalid, or its values do not fit its operator.
        FieldNotFound: A field, or a reference in a value, leads nowhere.
    """
    seen: list[Comparison] = []
    return _holds(condition, context, seen, 0), seen


def explain(condition: Json, context: Mapping[str, Json]) -> list[Comparison]:
    """Return the comparisons that an evaluation makes, in order. An error ends the list."""
    seen: list[Comparison] = []
    try:
        _holds(condition, context, seen, 0)
    except StepError as fault:
        if not seen or seen[-1].error is None:
            seen.append(Comparison(None, None, error=str(fault)))
    return seen


def parts(condition: Json, depth: int = 0) -> tuple[str, list[Json]] | None:
    """Return `and` or `or` with its list, or None if the condition is a comparison.

    Raises:
        ConditionFault: It is not an object, is empty, is nested too deeply, or its list is not one.
    """
    if depth > DEPTH:
        raise ConditionFault(f"conditions nested more than {DEPTH} levels deep")
    if not isinstance(condition, dict) or not condition:
        found = "an empty object" if condition == {} else describe(condition)
        raise ConditionFault(f"expected a condition, found {found}")
    for join in ("and", "or"):
        members = condition.get(join)
        if members is None or members == []:
            continue
        if not isinstance(members, list):
            raise ConditionFault(
                f"expected a list of conditions in {join}, found {describe(members)}"
            )
        return join, members
    return None


def _holds(
    condition: Json, context: Mapping[str, Json], seen: list[Comparison], depth: int
) -> bool:
    joined = parts(condition, depth)
    if joined is None:
        return _compare(condition, context, seen)
    join, members = joined
    answers = (_holds(member, context, seen, depth + 1) for member in members)
    return all(answers) if join == "and" else any(answers)


def _compare(
    condition: dict[str, Json], context: Mapping[str, Json], seen: list[Comparison]
) -> bool:
    field, operator = condition.get("field"), condition.get("operator")
    try:
        holds, value, actual = _answer(condition, context)
    except StepError as fault:
        actual = find(field, context) if isinstance(field, str) else None
        actual = None if actual is MISSING else actual
        seen.append(Comparison(field, operator, condition.get("value"), actual, error=str(fault)))
        raise
    seen.append(Comparison(field, operator, value, actual, holds))
    return holds


def _answer(condition: dict[str, Json], context: Mapping[str, Json]) -> tuple[bool, Json, Json]:
    field, operator = condition.get("field"), condition.get("operator")
    if not isinstance(field, str):
        raise ConditionFault(f"expected a path in field, found {describe(field)}")
    if not isinstance(operator, str):
        raise ConditionFault(f"expected an operator, found {describe(operator)}")
    if operator in EXISTENCE:
        actual = find(field, context)
        holds = (actual is not MISSING) is EXISTENCE[operator]
        return holds, None, None if actual is MISSING else actual
    if operator not in OPERATORS:
        raise ConditionFault(f"unknown operator: {operator}")
    actual = lookup(field, context)
    value = _resolved(condition.get("value"), context)
    return OPERATORS[operator](actual, value), value, actual


def _resolved(value: Json, context: Mapping[str, Json]) -> Json:
    if isinstance(value, list):
        if is_literal(value):
            return value
        return [_followed(member, context) for member in value]
    return _followed(value, context)


def _followed(value: Json, context: Mapping[str, Json]) -> Json:
    path = reference(value)
    if path is None:
        return value
    found = follow(path, context)
    if found is MISSING:
        raise FieldNotFound(path)
    return found


Operator: TypeAlias = Callable[[Json, Json], bool]


def _ordering(compare: Callable[[Json, Json], bool]) -> Operator:
    def ordered(actual: Json, value: Json) -> bool:
        for side in (actual, value):
            if not is_number(side):
                raise ConditionFault(
                    f"ordering needs numbers on both sides, found {describe(side)}"
                )
        return compare(actual, value)

    return ordered


def _found_in(actual: Json, value: Json) -> bool:
    if not isinstance(value, list):
        raise ConditionFault(f"expected a list as value, found {describe(value)}")
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
            raise ConditionFault(f"expected a text in the field, found {describe(actual)}")
        return value is not None and question(actual, to_text(value))

    return ask


def _regex(actual: Json, value: Json) -> bool:
    if isinstance(value, list | dict):
        raise ConditionFault(f"expected a pattern as value, found {describe(value)}")
    check_pattern(to_text(value))
    if isinstance(actual, list | dict):
        raise ConditionFault(f"expected a text in the field, found {describe(actual)}")
    if actual is None or value is None:
        return False
    return matches_pattern(to_text(value), to_text(actual))


def _negated(operator: Operator) -> Operator:
    return lambda actual, value: not operator(actual, value)


def _named(*table: tuple[tuple[str, ...], Operator]) -> Mapping[str, Operator]:
    return {name: operator for names, operator in table for name in names}


OPERATORS: Final = _named(
    (("eq", "=="), values_equal),
    (("neq", "!="), _negated(values_equal)),
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


LONG: Final = 32
"""From so many members on a list is remembered."""

_REMEMBERED: Final = 4


@dataclass(frozen=True)
class _Known:
    """A list with computed facts. The cache keeps the list, so that no other one gets its id."""

    members: list[Json]

    @cached_property
    def keys(self) -> frozenset[Hashable]:
        """The keys by which its members are equal."""
        return frozenset(map(_key, self.members))

    @cached_property
    def is_literal(self) -> bool:
        """Tell whether no member is a reference."""
        return not any(isinstance(each, str) and reference(each) for each in self.members)


_known: OrderedDict[int, _Known] = OrderedDict()


def among(value: Json, members: list[Json]) -> bool:
    """Tell whether a member is equal to the value."""
    if len(members) < LONG:
        return any(values_equal(value, member) for member in members)
    return _key(value) in _of(members).keys


def is_literal(members: list[Json]) -> bool:
    """Tell whether a long list has no references. Short lists are not examined."""
    return len(members) >= LONG and _of(members).is_literal


def _of(members: list[Json]) -> _Known:
    known = _known.get(id(members))
    if known is None:
        known = _known[id(members)] = _Known(members)
        if len(_known) > _REMEMBERED:
            _known.popitem(last=False)
    return known


def _key(value: Json) -> Hashable:
    """Return a key that is the same for values that are equal (`values_equal`)."""
    match value:
        case None:
            return None
        case list():
            return list, tuple(map(_key, value))
        case dict():
            return dict, frozenset((name, _key(member)) for name, member in value.items())
        case _:  # texts, numbers and booleans are equal if their texts are
            return to_text(value)


_LONGEST_PATTERN = 1_024
_LONGEST_INPUT = 65_536
_COMPILED = 128
_MEMORY = 2 << 20
_MOST_WORK = 30_000_000  # instructions times bytes, in which RE2 is linear: 0.2 s at the worst

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # otherwise RE2 writes each invalid pattern to stderr
_OPTIONS.max_mem = _MEMORY


def matches_pattern(pattern: str, text: str) -> bool:
    """Tell whether the pattern matches anywhere in the text.

    Raises:
        ConditionFault: The pattern is invalid, or too expensive for a text of this length.
    """
    compiled = _compiled(pattern)
    encoded = storable(text).encode()
    if len(encoded) > _LONGEST_INPUT:
        raise ConditionFault(f"regex input has {len(encoded):,} bytes, at most {_LONGEST_INPUT:,}")
    if len(encoded) * compiled.programsize > _MOST_WORK:
        most = _MOST_WORK // compiled.programsize
        raise ConditionFault(
            f"regex is too large to search {len(encoded):,} bytes, at most {most:,} with this one"
        )
    return compiled.search(encoded) is not None


def check_pattern(pattern: str) -> None:
    """Check a pattern as `matches_pattern` does.

    Raises:
        ConditionFault: The pattern is invalid or too long.
    """
    _compiled(pattern)


def _compiled(pattern: str) -> Any:
    encoded = storable(pattern).encode()
    if len(encoded) > _LONGEST_PATTERN:
        raise ConditionFault(f"regex has {len(encoded):,} bytes, at most {_LONGEST_PATTERN:,}")
    return _compile(encoded)


@lru_cache(_COMPILED)
def _compile(pattern: bytes) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ConditionFault(f"invalid regex: {text}") from None
