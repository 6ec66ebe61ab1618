"""Each step of a definition with the place where it was written, the nested ones too."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from resumer_daemon.workflow.definition import Definition, ForeachStep, ParallelStep, Step
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.reading import Reader


@dataclass(frozen=True, slots=True)
class Site:
    """A step, what was written for it, and the names of the items in whose scope it stands."""

    step: Step
    written: Reader
    item_vars: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that stand in one list, inside of so many others."""

    of: Literal["definition", "foreach", "parallel"]
    sites: tuple[Site, ...]
    depth: int = 0


def flows(definition: Definition, written: list[tuple[str, Json]]) -> Iterator[Flow]:
    """Return every list of steps; `written` is what was written for the outermost, and where."""
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
