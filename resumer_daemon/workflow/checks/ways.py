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
from resumer_daemon.workflow.reading import Reader

_KEYS: Final = {
    "next": ("next", "on_pass"),
    "on_error": ("on_error", "on_fail"),
    "on_false": ("on_false", "on_reject"),
    "on_timeout": ("on_timeout", "on_expired"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a step; no target: the flow ends there."""

    path: str
    target: str | None


def ways(flow: Flow) -> list[list[Way]]:
    """Return the ways out of each step of a flow, in the order of the steps."""
    following = [site.step.id for site in flow.sites[1:]]
    return [
        [*_answers(site, after), *_failure(site)]
        for site, after in zip(flow.sites, [*following, None], strict=True)
    ]


def has_effect(step: Step) -> bool:
    """Tell whether a step waits, asks for an approval, or does what leaves its mark outside."""
    match step:
        case WaitStep():
            return True
        case ActionStep(requires=requires, execute=execute):
            return requires is not None or any(act.type != "log" for act in execute)
        case ExecuteStep(execute=execute):
            return any(act.type != "log" for act in execute)
        case ParallelStep(steps=steps) | ForeachStep(steps=steps):
            return any(has_effect(member) for member in steps)
    return False


def _answers(site: Site, following: str | None) -> Iterator[Way]:
    step = site.step
    match step:
        case ConditionStep():
            yield _way(site, "on_true", step.on_true)
            yield _way(site, "on_false", step.on_false)
        case ActionStep(requires=requires) if requires is not None:
            yield _way(
                site, "on_true" if step.on_true else "next", step.on_true or step.next or following
            )
            yield _way(site, "on_false", step.on_false)
            if step.on_timeout:
                yield _way(site, "on_timeout", step.on_timeout)
        case WaitStep():
            ...
        case _:
            yield _way(site, "next", step.next)
