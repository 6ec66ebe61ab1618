"""Check the flow: unreachable steps, missing targets, dead ends and endless loops.

No function here is recursive, because a flow may have any length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.steps import Flow, Site
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


Edges = list[set[int]]


def reachable(edges: Edges) -> set[int]:
    """Return the places that the first one leads to, itself included."""
    reached: set[int] = set()
    waiting = [0] if edges else []
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached.add(place)
            waiting += edges[place] - reached
    return reached


def loops(edges: Edges) -> list[list[int]]:
    """Return each set of places that all lead to each other, as a sorted list (Kosaraju)."""
    backwards: Edges = [set() for _ in edges]
    for place, targets in enumerate(edges):
        for target in targets:
            backwards[target].add(place)
    found: list[list[int]] = []
    taken: set[int] = set()
    for start in reversed(_finished(edges)):
        group = _collect(start, backwards, taken)
        if len(group) > 1 or (group and start in edges[start]):
            found.append(sorted(group))
    return sorted(found)


def _finished(edges: Edges) -> list[int]:
    """Return the places in the order in which a search in depth leaves them."""
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(edges)):
        if start in seen:
            continue
        seen.add(start)
        path = [(start, iter(edges[start]))]
        while path:
            place, targets = path[-1]
            onward = next((target for target in targets if target not in seen), None)
            if onward is None:
                order.append(place)
                path.pop()
            else:
                seen.add(onward)
                path.append((onward, iter(edges[onward])))
    return order


def _collect(start: int, edges: Edges, taken: set[int]) -> list[int]:
    group: list[int] = []
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place not in taken:
            taken.add(place)
            group.append(place)
            waiting += edges[place] - taken
    return group


_SHOWN: Final = 6


def check_flow(flow: Flow) -> Findings:
    """Check the ways of a flow; in a group they count only where a body's steps name each other."""
    out = ways(flow)
    places = {site.step.id: place for place, site in enumerate(flow.sites)}
    if flow.of != "definition" and not (flow.of == "foreach" and _named(out, places)):
        return
    edges = [{places[way.target] for way in exits if way.target in places} for exits in out]
    yield from _nowhere(out, places)
    yield from _unreachable(flow, edges)
    yield from _dead_ends(flow, out)
    yield from _idle_loops(flow, edges)
    yield from _endless_loops(flow, out, edges)


def _named(out: list[list[Way]], places: dict[str, int]) -> bool:
    return any(way.target in places for exits in out for way in exits)


def _nowhere(out: list[list[Way]], places: dict[str, int]) -> Findings:
    told: set[str] = set()
    for way in (way for exits in out for way in exits):
        if way.target is not None and way.target not in places and way.path not in told:
            told.add(way.path)
            yield error(way.path, f"step not found: {way.target}")


def _unreachable(flow: Flow, edges: list[set[int]]) -> Findings:
    reached = reachable(edges)
    for place, site in enumerate(flow.sites):
        if place not in reached:
            yield warning(site.written.path, f"no step leads to {site.step.id}")


def _dead_ends(flow: Flow, out: list[list[Way]]) -> Findings:
    for site, exits in zip(flow.sites, out, strict=True):
        if isinstance(site.step, ConditionStep):
            for way in (way for way in exits if way.target is None):
                yield warning(way.path, "dead end: this result has no next step and ends the flow")


def _idle_loops(flow: Flow, edges: list[set[int]]) -> Findings:
    idle = {place for place, site in enumerate(flow.sites) if not has_effect(site.step)}
    for loop in loops(
        [targets & idle if at in idle else set() for at, targets in enumerate(edges)]
    ):
        yield error(
            flow.sites[loop[0]].written.path,
            f"loop without a wait, an approval or an effect: {_route(flow, loop)}",
        )


def _endless_loops(flow: Flow, out: list[list[Way]], edges: list[set[int]]) -> Findings:
    for loop in loops(edges):
        inside = set(loop)
        ends = any(way.target is None for place in loop for way in out[place])
        if not ends and all(edges[place] <= inside for place in loop):
            yield warning(
                flow.sites[loop[0]].written.path, f"loop without an exit: {_route(flow, loop)}"
            )


def _route(flow: Flow, loop: list[int]) -> str:
    ids = [flow.sites[place].step.id for place in loop[:_SHOWN]]
    return ", ".join(ids) + (", ..." if len(loop) > _SHOWN else "")
