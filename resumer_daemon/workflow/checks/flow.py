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
class Exit:
    """One way out of a step, with its JSON path. Without a target it ends the flow."""

    path: str
    target: str | None


def exits_of(flow: Flow) -> list[list[Exit]]:
    """Return the ways out of each step of a flow, in the order of the steps."""
    following = [*(site.step.id for site in flow.sites), None][1:]
    return [
        [_exit(site, key, target) for key, target in _targets(site.step, after)]
        for site, after in zip(flow.sites, following, strict=True)
    ]


def has_effect(step: Step) -> bool:
    """Tell whether a step waits, requires an approval, or has a visible effect."""
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


def _exit(site: Site, key: str, target: str | None) -> Exit:
    written = site.written
    if isinstance(site.step, WaitStep | ParallelStep | ForeachStep):
        written = written.inner(site.step.type, beneath=written)
    path, _ = written.located(*_SPELLINGS.get(key, (key,)))
    return Exit(path, target)


Edges = list[set[int]]


def reachable(edges: Edges) -> set[int]:
    """Return the positions that can be reached from the first one, including itself."""
    reached: set[int] = set()
    waiting = [0] if edges else []
    while waiting:
        position = waiting.pop()
        if position not in reached:
            reached.add(position)
            waiting += edges[position] - reached
    return reached


def loops(edges: Edges) -> list[list[int]]:
    """Return each set of positions that all lead to each other, sorted (Kosaraju)."""
    backwards: Edges = [set() for _ in edges]
    for position, targets in enumerate(edges):
        for target in targets:
            backwards[target].add(position)
    found: list[list[int]] = []
    taken: set[int] = set()
    for start in reversed(_finished(edges)):
        group = _collect(start, backwards, taken)
        if len(group) > 1 or (group and start in edges[start]):
            found.append(sorted(group))
    return sorted(found)


def _finished(edges: Edges) -> list[int]:
    """Return the positions in the order in which a depth-first search leaves them."""
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(edges)):
        if start in seen:
            continue
        seen.add(start)
        path = [(start, iter(edges[start]))]
        while path:
            position, targets = path[-1]
            onward = next((target for target in targets if target not in seen), None)
            if onward is None:
                order.append(position)
                path.pop()
            else:
                seen.add(onward)
                path.append((onward, iter(edges[onward])))
    return order


def _collect(start: int, edges: Edges, taken: set[int]) -> list[int]:
    group: list[int] = []
    waiting = [start]
    while waiting:
        position = waiting.pop()
        if position not in taken:
            taken.add(position)
            group.append(position)
            waiting += edges[position] - taken
    return group


_SHOWN: Final = 6


def check_flow(flow: Flow) -> Findings:
    """Check the ways of a flow.

    The members of a `parallel` step do not lead to each other. The steps of a `foreach` do, if one
    names another.
    """
    out = exits_of(flow)
    positions = {site.step.id: position for position, site in enumerate(flow.sites)}
    if flow.of != "definition" and not (flow.of == "foreach" and _names_steps(out, positions)):
        return
    edges = [
        {positions[exit_.target] for exit_ in exits if exit_.target in positions} for exits in out
    ]
    yield from _missing_targets(out, positions)
    yield from _unreachable(flow, edges)
    yield from _dead_ends(flow, out)
    yield from _idle_loops(flow, edges)
    yield from _endless_loops(flow, out, edges)


def _names_steps(out: list[list[Exit]], positions: dict[str, int]) -> bool:
    return any(exit_.target in positions for exits in out for exit_ in exits)


def _missing_targets(out: list[list[Exit]], positions: dict[str, int]) -> Findings:
    reported: set[str] = set()
    for exit_ in (exit_ for exits in out for exit_ in exits):
        if (
            exit_.target is not None
            and exit_.target not in positions
            and exit_.path not in reported
        ):
            reported.add(exit_.path)
            yield error(exit_.path, f"step not found: {exit_.target}")


def _unreachable(flow: Flow, edges: list[set[int]]) -> Findings:
    reached = reachable(edges)
    for position, site in enumerate(flow.sites):
        if position not in reached:
            yield warning(site.written.path, f"no step leads to {site.step.id}")


def _dead_ends(flow: Flow, out: list[list[Exit]]) -> Findings:
    for site, exits in zip(flow.sites, out, strict=True):
        if isinstance(site.step, ConditionStep):
            for exit_ in (exit_ for exit_ in exits if exit_.target is None):
                yield warning(
                    exit_.path, "dead end: this result has no next step and ends the flow"
                )


def _idle_loops(flow: Flow, edges: list[set[int]]) -> Findings:
    idle = {position for position, site in enumerate(flow.sites) if not has_effect(site.step)}
    for loop in loops(
        [targets & idle if at in idle else set() for at, targets in enumerate(edges)]
    ):
        yield error(
            flow.sites[loop[0]].written.path,
            f"loop without a wait, an approval or an effect: {_route(flow, loop)}",
        )


def _endless_loops(flow: Flow, out: list[list[Exit]], edges: list[set[int]]) -> Findings:
    for loop in loops(edges):
        inside = set(loop)
        ends = any(exit_.target is None for position in loop for exit_ in out[position])
        if not ends and all(edges[position] <= inside for position in loop):
            yield warning(
                flow.sites[loop[0]].written.path, f"loop without an exit: {_route(flow, loop)}"
            )


def _route(flow: Flow, loop: list[int]) -> str:
    ids = [flow.sites[position].step.id for position in loop[:_SHOWN]]
    return ", ".join(ids) + (", ..." if len(loop) > _SHOWN else "")
