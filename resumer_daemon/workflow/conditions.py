"""Conditions: `{field, operator, value}`, joined by `and` and `or`, answered left to right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from resumer_daemon.workflow.faults import ConditionFault, Fault, FieldNotFound
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.membership import is_literal
from resumer_daemon.workflow.operators import EXISTENCE, OPERATORS
from resumer_daemon.workflow.references import follow, reference
from resumer_daemon.workflow.values import MISSING, find, lookup
from resumer_daemon.workflow.wording import shown

DEPTH: Final = 64
"""How deep `and` and `or` may nest."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison as it went: what was asked, what was seen, the answer or why there is none."""

    field: Json
    operator: Json
    value: Json = None
    actual: Json = None
    holds: bool | None = None
    error: str | None = None


def evaluate(condition: Json, context: Mapping[str, Json]) -> bool:
    """Answer a condition.

    Raises:
        Fault: The condition is ill-formed, or its values do not fit its operator.
        FieldNotFound: A field, or a reference in a value, leads nowhere.
    """
    return _holds(condition, context, None, 0)


def explain(condition: Json, context: Mapping[str, Json]) -> list[Comparison]:
    """Return each comparison that answering takes, in order; a fault ends the list as its error."""
    seen: list[Comparison] = []
    try:
        _holds(condition, context, seen, 0)
    except Fault as fault:
        if not seen or seen[-1].error is None:
            seen.append(Comparison(None, None, error=str(fault)))
    return seen


def parts(condition: Json, depth: int = 0) -> tuple[str, list[Json]] | None:
    """Return `and` or `or` with its list, or None where the condition is a comparison.

    Raises:
        ConditionFault: It is no object, an empty one, nested too deeply, or what should be a list
            is none.
    """
    if depth > DEPTH:
        raise ConditionFault(f"conditions nested more than {DEPTH} levels deep")
    if not isinstance(condition, dict) or not condition:
        found = "an empty object" if condition == {} else shown(condition)
        raise ConditionFault(f"expected a condition, found {found}")
    for join in ("and", "or"):
        members = condition.get(join)
        if members is None or members == []:
            continue
        if not isinstance(members, list):
            raise ConditionFault(f"expected a list of conditions in {join}, found {shown(members)}")
        return join, members
    return None


def _holds(
    condition: Json, context: Mapping[str, Json], seen: list[Comparison] | None, depth: int
) -> bool:
    joined = parts(condition, depth)
    if joined is None:
        return _compare(condition, context, seen)
    join, members = joined
    answers = (_holds(member, context, seen, depth + 1) for member in members)
    return all(answers) if join == "and" else any(answers)


def _compare(
    condition: dict[str, Json], context: Mapping[str, Json], seen: list[Comparison] | None
) -> bool:
    if seen is None:
        return _answer(condition, context)[0]
    field, operator = condition.get("field"), condition.get("operator")
    try:
        holds, value, actual = _answer(condition, context)
    except Fault as fault:
        actual = find(field, context) if isinstance(field, str) else None
        actual = None if actual is MISSING else actual
        seen.append(Comparison(field, operator, condition.get("value"), actual, error=str(fault)))
        raise
    seen.append(Comparison(field, operator, value, actual, holds))
    return holds


def _answer(condition: dict[str, Json], context: Mapping[str, Json]) -> tuple[bool, Json, Json]:
    field, operator = condition.get("field"), condition.get("operator")
    if not isinstance(field, str):
        raise ConditionFault(f"expected a path in field, found {shown(field)}")
    if not isinstance(operator, str):
        raise ConditionFault(f"expected an operator, found {shown(operator)}")
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
