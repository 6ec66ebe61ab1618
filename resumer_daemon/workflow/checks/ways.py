"""Where the steps of a flow lead: the ways that are written, and those that go without saying."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from resumer_daemon.workflow.checks.sites import Flow, Site
from resumer_daemon.workflow.definition import (
    ActionStep,
    ConditionStep,
    ExecuteStep,
    ForeachStep,
    ParallelStep,
    Step,
    WaitStep,
)

_SPELLINGS: Final = {
    "next": ("next", "on_pass"),
    "on_error": ("on_error", "on_fail"),
    "on_false": ("on_false", "on_reject"),
    "on_timeout": ("on_timeout", "on_expired"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a step, with its JSON path; without a target the flow ends there."""

    path: str
    target: str | None


def ways(flow: Flow) -> list[list[Way]]:
    """Return the ways out of each step of a flow, in the order of the steps."""
    following = [*(site.step.id for site in flow.sites), None][1:]
    return [
        [_way(site, key, target) for key, target in _targets(site.step, after)]
        for site, after in zip(flow.sites, following, strict=True)
    ]


def has_effect(step: Step) -> bool:
    """Tell whether a step waits, asks for an approval, or does what can be seen from outside."""
    match step:
        case WaitStep():
            return True
        case ActionStep(requires=None, execute=execute) | ExecuteStep(execute=execute):
            return any(act.type != "log" for act in execute)
        case ActionStep():
            return True
        case ParallelStep(steps=steps) | ForeachStep(steps=steps):
            return any(has_effect(member) for member in steps)
    return False


def _targets(step: Step, following: str | None) -> Iterator[tuple[str, str | None]]:
    match step:
        case ConditionStep():
            yield "on_true", step.on_true
            yield "on_false", step.on_false
        case ActionStep() if step.requires is not None:
            yield "on_true" if step.on_true else "next", step.on_true or step.next or following
            yield "on_false", step.on_false
            if step.on_timeout:
                yield "on_timeout", step.on_timeout
        case WaitStep():
            yield "on_event" if step.on_event else "next", step.on_event or step.next or following
            if step.on_timeout:
                yield "on_timeout", step.on_timeout
        case _:
            yield "next", step.next
    if step.on_error:
        yield "on_error", step.on_error


def _way(site: Site, key: str, target: str | None) -> Way:
    written = site.written
    if isinstance(site.step, WaitStep | ParallelStep | ForeachStep):
        written = written.inner(site.step.type, beneath=written)
    path, _ = written.located(*_SPELLINGS.get(key, (key,)))
    return Way(path, target)
