"""Every reference that a step makes, and where."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from resumer_daemon.workflow.checks.acts import acts_of
from resumer_daemon.workflow.checks.sites import Site
from resumer_daemon.workflow.definition import ActionStep, ConditionStep, ForeachStep, WaitStep
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.references import REFERENCE, path_of

_SENT: Final = frozenset({"webhook", "notify", "create_record", "update_record"})


@dataclass(frozen=True, slots=True)
class Use:
    """A reference at its JSON path; `kind` tells what may be named there.

    A template knows the built-in names, what is sent the secrets too, a lookup only the context.
    """

    path: str
    name: str
    kind: Literal["sent", "template", "lookup"]

    @property
    def root(self) -> str:
        """Return the top-level key that the reference begins with."""
        return self.name.partition(".")[0]


def uses(site: Site) -> Iterator[Use]:
    """Return the references of a step, those of the steps in it excepted."""
    for path, act in acts_of(site):
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


def _within(value: Json, path: str, kind: Literal["sent", "template", "lookup"]) -> Iterator[Use]:
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case str():
                names = (path_of(match) for match in REFERENCE.finditer(value))
                yield from (Use(path, name, kind) for name in names if name)
            case dict():
                waiting += [(f"{path}.{key}", member) for key, member in value.items()][::-1]
            case list():
                waiting += [(f"{path}[{at}]", member) for at, member in enumerate(value)][::-1]
