"""Check single steps: type, size, conditions, actions and the approval of a block."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from resumer_daemon.durations import EXPECTED, parse_duration
from resumer_daemon.workflow import conditions
from resumer_daemon.workflow.action_parser import APPROVAL
from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.conditions import EXISTENCE, OPERATORS, parts
from resumer_daemon.workflow.definition import (
    NESTED,
    WIDEST,
    Action,
    ActionStep,
    ConditionStep,
    Definition,
    ExecuteStep,
    ForeachStep,
    InvalidStep,
    ParallelStep,
    Requires,
    Step,
    WaitStep,
)
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.reader import ParseError, Reader, describe, kind
from resumer_daemon.workflow.templates import REFERENCE, reference
from resumer_daemon.workflow.url_templates import NAMES_USER, is_url, names_user, refusal
from resumer_daemon.workflow.values import Json, is_number, to_text


@dataclass(frozen=True, slots=True)
class Site:
    """A step, its source, and the item names that are in scope."""

    step: Step
    written: Reader
    item_vars: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps of one list. `depth` is the number of containers around it."""

    of: Literal["definition", "foreach", "parallel"]
    sites: tuple[Site, ...]
    depth: int = 0


def flows(definition: Definition, written: list[tuple[str, Json]]) -> Iterator[Flow]:
    """Yield every list of steps. `written` is the source of the outermost list, with paths."""
    waiting = [Flow("definition", _sites(definition.steps, written, frozenset()))]
    while waiting:
        flow = waiting.pop()
        yield flow
        waiting += [inner for site in flow.sites for inner in _inner(site, flow.depth + 1)]


def _inner(site: Site, depth: int) -> Iterator[Flow]:
    step = site.step
    if isinstance(step, ParallelStep | ForeachStep):
        item_vars = site.item_vars
        if isinstance(step, ForeachStep):
            item_vars |= {f"{step.item_var}", f"{step.item_var}_index", "_index"}
        written = site.written.inner(step.type, beneath=site.written).members("steps")
        yield Flow(step.type, _sites(step.steps, written, item_vars), depth)


def _sites(
    steps: tuple[Step, ...], written: list[tuple[str, Json]], item_vars: frozenset[str]
) -> tuple[Site, ...]:
    pairs = zip(steps, written, strict=True)
    return tuple(Site(step, Reader(raw, path), item_vars) for step, (path, raw) in pairs)


def check_step(site: Site, flow: Flow) -> Findings:
    """Check one step without the others."""
    match site.step:
        case InvalidStep(error=written):
            path, _, message = written.partition(": ")
            yield error(path, message)
        case WaitStep():
            yield from _wait(site)
        case ActionStep():
            yield from _approval(site, site.step, flow)
        case ParallelStep() | ForeachStep():
            yield from _size(site, site.step, flow)


def _size(site: Site, step: ParallelStep | ForeachStep, flow: Flow) -> Findings:
    if flow.depth == NESTED:
        yield error(site.written.path, f"{step.type} nested more than {NESTED} levels deep")
    if len(step.steps) > WIDEST:
        path, _ = site.written.inner(step.type, beneath=site.written).located("steps")
        yield error(path, f"{len(step.steps)} steps, at most {WIDEST} can run")


def _wait(site: Site) -> Findings:
    wait = site.written.inner("wait", beneath=site.written)
    for keys in ("for", "duration"), ("timeout",):
        path, value = wait.located(*keys)
        if value is not None and parse_duration(value) is None:
            yield error(path, f"expected {EXPECTED}, found {describe(value)}, so the wait fails")


def _approval(site: Site, step: ActionStep, flow: Flow) -> Findings:
    written = site.written
    action = written
    if isinstance(written.value("action"), dict):
        action = written.inner("action", beneath=written)
    if step.requires is None:
        yield from _no_approval(step, action)
    if step.action != "block":
        return
    requires = action.inner("requires", beneath=written.inner("requires"))
    if step.requires is None:
        if requires.written:
            yield warning(requires.path, "type is not approval, so this block requires no approval")
        return
    yield from _enough_approvals(requires.path, step, step.requires)
    if step.on_timeout and not _can_expire(step, step.requires):
        path, _ = written.located("on_timeout", "on_expired")
        yield warning(path, "never followed, because the approval has no timeout")
    if step.on_false is None and flow.of == "definition":
        end = "no next step for a rejection, which completes the execution as blocked"
        yield warning(f"{written.path}.on_false", end)


def _no_approval(step: ActionStep, action: Reader) -> Findings:
    path, required = action.inner("metadata").located("approval_required")
    if step.action == "block" and required is not None and not isinstance(required, bool):
        yield warning(
            path, f"expected true or false, found {describe(required)}, so no approval is required"
        )
    if step.action != "block" and required is True:
        yield warning(path, f"{step.action} requires no approval, because only a block can")


def _can_expire(step: ActionStep, requires: Requires) -> bool:
    asking = [act for act in step.execute if act.type == APPROVAL]
    return requires.expires_in is not None or any(act.params.get("expires_in") for act in asking)


def _enough_approvals(path: str, step: ActionStep, requires: Requires) -> Findings:
    """Warn if the list creates fewer approvals than are needed."""
    asked = sum(act.type == APPROVAL for act in step.execute)
    needed = max(requires.approvals or 0, len(requires.roles))
    if 0 < asked < needed:
        yield warning(path, f"{needed} approvals are needed, but the list creates {asked}")


NOT_SENT: Final = frozenset({"CONNECT", "TRACE"})
"""Methods that no webhook has."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

NEEDED: Final = {
    "log": (),
    "notify": ("recipients",),
    "webhook": ("url",),
    "create_record": ("entity",),
    "update_record": ("entity", "entity_id"),
    "create_approval_request": ("entity",),
}
"""The types of actions, and what each cannot do without."""


def check_actions(site: Site) -> Findings:
    """Check the `execute` list of a step."""
    for path, act in actions_of(site):
        if act.type not in NEEDED:
            severity = warning if act.continue_on_error else error
            known = act.type or "the type is missing"
            yield severity(f"{path}.type", f"unknown action: {known}")
            continue
        for name in NEEDED[act.type]:
            if act.params.get(name) in (None, "", []):
                yield error(f"{path}.{name}", f"{act.type} needs {name}")
        if act.type == "webhook":
            yield from _address(path, act)
            yield from _method(path, act)
        if act.type == "notify" and not (act.params.get("message") or act.params.get("template")):
            yield error(f"{path}.message", "notify needs message or template")
        if act.type == APPROVAL:
            yield from _expiry(path, act)


def _address(path: str, act: Action) -> Findings:
    url = to_text(act.params.get("url"))
    literal = REFERENCE.sub("", url)
    if names_user(literal):
        yield error(f"{path}.url", NAMES_USER)
    elif url and literal == url and not is_url(url):
        yield error(f"{path}.url", refusal(url))


def _method(path: str, act: Action) -> Findings:
    method = act.params.get("method")
    if method in (None, "") or (isinstance(method, str) and REFERENCE.search(method)):
        return
    is_token = isinstance(method, str) and _TOKEN.fullmatch(method) is not None
    if not is_token or to_text(method).upper() in NOT_SENT:
        yield error(f"{path}.method", f"this method cannot be sent: {describe(method)}")


def _expiry(path: str, act: Action) -> Findings:
    try:
        Reader(dict(act.params), path).delay("expires_in")
    except ParseError as wrong:
        path, _, message = str(wrong).partition(": ")
        yield error(path, message)


def actions_of(site: Site) -> Iterator[tuple[str, Action]]:
    """Yield each action of a step with its path."""
    if not isinstance(site.step, ActionStep | ExecuteStep):
        return
    holder = site.written
    if isinstance(holder.value("action"), dict):
        holder = holder.inner("action", beneath=holder)
    # An `action` with a `config` is one action, at the path of the step itself.
    paths = [path for path, _ in holder.members("execute")] or [holder.path]
    yield from zip(paths, site.step.execute, strict=False)


_ORDERING: Final = ("gt", ">", "gte", ">=", "lt", "<", "lte", "<=")
_KNOWN: Final = " ".join([*OPERATORS, *EXISTENCE])
_MEMBERSHIP: Final = ("in", "not_in")


def check_condition(site: Site) -> Findings:
    """Check the condition of a step, unless it uses a rule."""
    if not isinstance(site.step, ConditionStep) or site.step.rule_id is not None:
        return
    waiting = [(f"{site.written.path}.condition", site.step.condition, 0)]
    while waiting:
        path, condition, depth = waiting.pop()
        try:
            joined = parts(condition, depth)
        except StepError as fault:
            yield error(path, str(fault))
            continue
        if joined is None:
            yield from _comparison(path, condition)
            continue
        join, members = joined
        yield from _ignored(path, condition, join)
        inside = [(f"{path}.{join}[{at}]", member, depth + 1) for at, member in enumerate(members)]
        waiting += reversed(inside)


def _ignored(path: str, condition: dict[str, Json], join: str) -> Findings:
    ignored = [key for key in ("or", "field") if key != join and condition.get(key)]
    if ignored:
        yield warning(path, f"ignored beside {join}: {', '.join(ignored)}")


def _comparison(path: str, condition: dict[str, Json]) -> Findings:
    field, operator = condition.get("field"), condition.get("operator")
    if not isinstance(field, str):
        yield error(f"{path}.field", f"expected a path, found {describe(field)}")
    elif REFERENCE.search(field):
        yield error(f"{path}.field", "write the field as a path, without braces")
    if not isinstance(operator, str):
        yield error(f"{path}.operator", f"expected an operator, found {describe(operator)}")
    elif operator in OPERATORS:
        yield from _value(f"{path}.value", operator, condition.get("value"))
    elif operator not in EXISTENCE:
        yield error(f"{path}.operator", f"unknown operator: {operator} (known: {_KNOWN})")


def _value(path: str, operator: str, value: Json) -> Findings:
    if reference(value) is not None:
        return
    if operator in _ORDERING and not is_number(value):
        yield error(path, f"{operator} needs a number, found {describe(value)}")
    if operator in _MEMBERSHIP and not isinstance(value, list):
        yield error(path, f"{operator} needs a list, found {kind(value)}")
    if operator == "regex":
        yield from _pattern(path, value)


def _pattern(path: str, value: Json) -> Findings:
    if isinstance(value, list | dict):
        yield error(path, f"regex needs a pattern, found {describe(value)}")
        return
    if value is None:
        yield warning(path, "regex without a pattern matches nothing")
        return
    try:
        conditions.check_pattern(to_text(value))
    except StepError as fault:
        yield error(path, str(fault))
