"""Check references: find names that no step or payload provides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

from resumer_daemon.workflow.checks.finding import Findings, warning
from resumer_daemon.workflow.checks.steps import Site, actions_of
from resumer_daemon.workflow.definition import (
    ActionStep,
    ConditionStep,
    Definition,
    ForeachStep,
    WaitStep,
)
from resumer_daemon.workflow.secret_refs import PREFIX, marked
from resumer_daemon.workflow.templates import REFERENCE, bare, is_built_in, path_of
from resumer_daemon.workflow.values import Json

_SENT: Final = frozenset({"webhook", "notify", "create_record", "update_record"})


@dataclass(frozen=True, slots=True)
class ReferenceUse:
    """A reference at its JSON path. `kind` tells which names are allowed.

    A template can use built-in names, a sent text also secrets, a lookup only the context.
    """

    path: str
    name: str
    kind: Literal["sent", "template", "lookup"]

    @property
    def root(self) -> str:
        """The top-level key of the reference."""
        return self.name.partition(".")[0]


def uses(site: Site) -> Iterator[ReferenceUse]:
    """Return the references of a step, without those of steps inside it."""
    for path, act in actions_of(site):
        kind: Literal["sent", "template"] = "sent" if act.type in _SENT else "template"
        yield from _within(dict(act.params), path, kind)
    path = site.written.path
    match site.step:
        case ActionStep(reason=reason, requires=requires):
            yield from _within(reason, f"{path}.reason", "template")
            if requires is not None:
                for text in (requires.role, requires.expires_in, *requires.roles):
                    yield from _within(text, f"{path}.requires", "template")
        case ConditionStep(rule_id=None, condition=condition):
            yield from _within(condition, f"{path}.condition", "lookup")
        case ForeachStep(items=items):
            yield from _within(items, f"{path}.items", "lookup")
        case WaitStep(match=match):
            yield from _within(dict(match), f"{path}.match", "template")


def _within(
    value: Json, path: str, kind: Literal["sent", "template", "lookup"]
) -> Iterator[ReferenceUse]:
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case str():
                names = (path_of(match) for match in REFERENCE.finditer(value))
                yield from (ReferenceUse(path, name, kind) for name in names if name)
            case dict():
                waiting += [(f"{path}.{key}", member) for key, member in value.items()][::-1]
            case list():
                waiting += [(f"{path}[{at}]", member) for at, member in enumerate(value)][::-1]


_MEMBERS: Final = {
    "_meta": "version enriched_at",
    "_computed": (
        "current_time current_hour current_day_of_week current_date order_is_high_value "
        "order_is_medium_value order_is_low_value customer_account_age_days customer_is_new"
    ),
    "approval": "id request_id decision approved approver_id reason decided_at",
    "resume": "trigger actor reason data number",
}
_BUILT_IN_ROOTS: Final = "execution", "workflow", "step"
_ALIKE: Final = 0.8
_LONGEST_COMPARED: Final = 64
_MOST_COMPARED: Final = 200


def check_lookups(definition: Definition, sites: Sequence[Site]) -> Findings:
    """Check the references of all steps against the known parts of the context."""
    roots = frozenset(_roots(definition, sites))
    item_vars = frozenset(name for site in sites for name in site.item_vars)
    spelling = _Spelling(roots | item_vars)
    for site in sites:
        for use in uses(site):
            message = _secret(use) if use.name.startswith(PREFIX) else _built_in(use)
            if not (message or is_built_in(use.name)):
                message = _item(use, site, item_vars - roots) or spelling.doubt(use.root)
            if message:
                yield warning(use.path, message)


class _Spelling:
    """The known top-level keys, and similar ones for a key that is unknown."""

    def __init__(self, roots: frozenset[str]) -> None:
        self._known = roots | _MEMBERS.keys()
        short = [root for root in roots if len(root) <= _LONGEST_COMPARED]
        # Comparing all pairs takes too long for a large definition.
        self._compared = sorted(short) if len(short) <= _MOST_COMPARED else []
        self._doubts: dict[str, str | None] = {}

    def doubt(self, root: str) -> str | None:
        if root in self._known or len(root) > _LONGEST_COMPARED:
            return None
        if root not in self._doubts:
            alike = get_close_matches(root, self._compared, 1, _ALIKE)
            question = f"unknown name {root}, did you mean {alike[0]}?" if alike else None
            self._doubts[root] = question
        return self._doubts[root]


def _roots(definition: Definition, sites: Sequence[Site]) -> Iterator[str]:
    """Yield the top-level keys of conditions, of `context.load` and of the trigger's event."""
    yield from (path.partition(".")[0] for path in definition.context_load)
    event = definition.trigger.get("event")
    if isinstance(event, str):
        yield event.partition(".")[0]
    for site in sites:
        if isinstance(site.step, ConditionStep):
            yield from (field.partition(".")[0] for field in _fields(site.step.condition))


def _fields(condition: Json) -> Iterator[str]:
    waiting = [condition]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.get("and") or [], value.get("or") or []
            if isinstance(value.get("field"), str):
                yield value["field"]


def _secret(use: ReferenceUse) -> str | None:
    if marked(bare(use.name)) is None:
        return f"{use.name} is not the name of a secret"
    if use.kind != "sent":
        return f"{use.name} can only be used in what is sent"
    return None


def _built_in(use: ReferenceUse) -> str | None:
    name = bare(use.name)
    if name.startswith(("now+", "now_plus_")) and not is_built_in(name):
        return f"{use.name} has no duration after now"
    if use.root in _BUILT_IN_ROOTS and not is_built_in(name):
        return f"{use.name} is not a built-in name"
    if is_built_in(name) and use.kind == "lookup" and use.root not in _MEMBERS:
        return f"{use.name} is available only in texts of actions"
    member = name.split(".")[1:2]
    if member and use.root in _MEMBERS and member[0] not in _MEMBERS[use.root].split():
        return f"{use.root} has no {member[0]}"
    return None


def _item(use: ReferenceUse, site: Site, item_vars: frozenset[str]) -> str | None:
    if use.root in item_vars and use.root not in site.item_vars:
        return f"{use.root} is available only inside its foreach"
    return None
