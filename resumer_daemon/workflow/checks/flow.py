"""Steps that nothing leads to, ways to nowhere, dead ends, and loops that only burn the budget."""

from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.graph import loops, reachable
from resumer_daemon.workflow.checks.sites import Flow
from resumer_daemon.workflow.checks.ways import Way, has_effect, ways
from resumer_daemon.workflow.definition import ConditionStep

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
            yield warning(site.written.path, f"no way leads to {site.step.id}")


def _dead_ends(flow: Flow, out: list[list[Way]]) -> Findings:
    for site, exits in zip(flow.sites, out, strict=True):
        if isinstance(site.step, ConditionStep):
            for way in (way for way in exits if way.target is None):
                yield warning(way.path, "dead end: this answer has no way, and ends the flow")


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
