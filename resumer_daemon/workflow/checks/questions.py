"""The conditions of a definition: their form, operators, patterns, and values that cannot fit."""

from typing import Final

from resumer_daemon.workflow import patterns
from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.sites import Site
from resumer_daemon.workflow.conditions import parts
from resumer_daemon.workflow.definition import ConditionStep
from resumer_daemon.workflow.faults import Fault
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.operators import EXISTENCE, OPERATORS
from resumer_daemon.workflow.references import REFERENCE, reference
from resumer_daemon.workflow.values import is_number, printed
from resumer_daemon.workflow.wording import kind, shown

_ORDERING: Final = ("gt", ">", "gte", ">=", "lt", "<", "lte", "<=")
_KNOWN: Final = " ".join([*OPERATORS, *EXISTENCE])
_MEMBERSHIP: Final = ("in", "not_in")


def check_condition(site: Site) -> Findings:
    """Check the condition of a step, unless a rule stands in for it."""
    if not isinstance(site.step, ConditionStep) or site.step.rule_id is not None:
        return
    waiting = [(f"{site.written.path}.condition", site.step.condition, 0)]
    while waiting:
        path, condition, depth = waiting.pop()
        try:
            joined = parts(condition, depth)
        except Fault as fault:
            yield error(path, str(fault))
            continue
        if joined is None:
            yield from _compared(path, condition)
            continue
        join, members = joined
        yield from _ignored(path, condition, join)
        inside = [(f"{path}.{join}[{at}]", member, depth + 1) for at, member in enumerate(members)]
        waiting += reversed(inside)


def _ignored(path: str, condition: dict[str, Json], join: str) -> Findings:
    ignored = [key for key in ("or", "field") if key != join and condition.get(key)]
    if ignored:
        yield warning(path, f"{join} wins: {' and '.join(ignored)} beside it is ignored")


def _compared(path: str, condition: dict[str, Json]) -> Findings:
    field, operator = condition.get("field"), condition.get("operator")
    if not isinstance(field, str):
        yield error(f"{path}.field", f"expected a path, found {shown(field)}")
    elif REFERENCE.search(field):
        yield error(f"{path}.field", "a field is a path as it stands, without braces")
    if not isinstance(operator, str):
        yield error(f"{path}.operator", f"expected an operator, found {shown(operator)}")
    elif operator in OPERATORS:
        yield from _value(f"{path}.value", operator, condition.get("value"))
    elif operator not in EXISTENCE:
        yield error(f"{path}.operator", f"unknown operator: {operator} (known: {_KNOWN})")


def _value(path: str, operator: str, value: Json) -> Findings:
    if reference(value) is not None:
        return
    if operator in _ORDERING and not is_number(value):
        yield error(path, f"{operator} needs a number, found {shown(value)}")
    if operator in _MEMBERSHIP and not isinstance(value, list):
        yield error(path, f"{operator} needs a list, found {kind(value)}")
    if operator == "regex":
        yield from _pattern(path, value)


def _pattern(path: str, value: Json) -> Findings:
    if isinstance(value, list | dict):
        yield error(path, f"regex needs a pattern, found {shown(value)}")
        return
    if value is None:
        yield warning(path, "regex without a pattern matches nothing")
        return
    try:
        patterns.check_pattern(printed(value))
    except Fault as fault:
        yield error(path, str(fault))
