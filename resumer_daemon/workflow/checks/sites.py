"""Each step of a definition with the place where it was written, the nested ones too."""

from collections.abc import Iterator
from dataclasses import dataclass

from resumer_daemon.workflow.definition import Definition, ForeachStep, ParallelStep, Step
from resumer_daemon.workflow.reading import Reader
from resumer_daemon.workflow.values import Json


@dataclass(frozen=True, slots=True)
class Site:
    """A step, what was written for it, and the names of the items in whose scope it stands."""

    step: Step
    written: Reader
    item_vars: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that may lead to each other: the definition's own, or the body of a `foreach`."""

    sites: tuple[Site, ...]
    nested: bool = False


def flows(definition: Definition, steps: list[Json], path: str) -> Iterator[Flow]:
    """Return every flow of a definition, `steps` being what was written at `path`."""
    sites = tuple(
        Site(step, Reader(written, f"{path}[{index}]"))
        for index, (step, written) in enumerate(zip(definition.steps, steps, strict=True))
    )
    open_flows = [Flow(sites)]
    while open_flows:
        flow = open_flows.pop()
        yield flow
        open_flows += [
            Flow(inside, nested=True) for site in flow.sites if (inside := _inside(site))
        ]


def _inside(site: Site) -> tuple[Site, ...]:
    step = site.step
    if not isinstance(step, ParallelStep | ForeachStep):
        return ()
    item_vars = site.item_vars
    if isinstance(step, ForeachStep) and step.item_var:
        item_vars |= {step.item_var, f"{step.item_var}_index"}
    group = site.written.inner(step.type, beneath=site.written)
    return tuple(
        Site(member, Reader(written, path), item_vars)
        for member, (path, written) in zip(step.steps, group.members("steps"), strict=True)
    )
