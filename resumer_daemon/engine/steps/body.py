"""The body of a `foreach` for one item: steps in order, or a flow where they name each other."""

from collections.abc import Mapping, Sequence

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.steps.members import remember
from resumer_daemon.engine.verdict import UNFINISHED, Broken, Ended, Passed, Unfinished
from resumer_daemon.engine.walk import Walk
from resumer_daemon.engine.ways import targets
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import Step


@frozen
class Body:
    """Steps that belong together. `flows`: they name each other, so their ways are followed."""

    steps: Sequence[Step]
    positions: Mapping[str, int]
    flows: bool

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Body":
        """Look at the steps once, for all items."""
        positions = {step.id: position for position, step in reversed(list(enumerate(steps)))}
        return cls(steps, positions, any(not targets(s).isdisjoint(positions) for s in steps))

    def following(self, position: int) -> str | None:
        """Return the step that stands after this one."""
        return self.steps[position + 1].id if position + 1 < len(self.steps) else None


def run_body(body: Body, place: Place, walk: Walk, progress: Progress) -> Ended:
    """Run the body for one item from where `progress` says it stands."""
    while progress.at < len(body.steps):
        step = body.steps[progress.at]
        here = _place_of(body, place, progress)
        if here.path not in walk.done and not _may_enter(here, walk, progress):
            return UNFINISHED
        end = walk.run(step, here, walk)
        if isinstance(end, Unfinished):
            return end
        next_at = _next(body, step, end, progress.at)
        if isinstance(next_at, Broken):
            remember(next_at, here.path, walk)
            return next_at
        if isinstance(end, Broken):
            walk.give_up(here.path)
        walk.forget(here.path)
        progress.at = next_at
        progress.taken += 1
    return Passed(None)


def _may_enter(place: Place, walk: Walk, progress: Progress) -> bool:
    """Enter a step that is not under way yet, unless something speaks against it."""
    if walk.yields():
        return False
    if progress.taken - progress.rested >= walk.world.limits.step_budget:
        walk.incident = over_budget(walk, f"an item at {place.path}")
        return False
    walk.count_step(place)
    return True


def over_budget(walk: Walk, what: str) -> Incident:
    """Return the incident of a flow that goes round and round."""
    return Incident(
        "step_budget",
        f"{what} has taken {walk.world.limits.step_budget} steps without a pause",
        "mend the loop of the definition and cancel, or retry to let it go on",
    )


def _place_of(body: Body, place: Place, progress: Progress) -> Place:
    if not body.flows:
        return place._replace(path=f"{place.path}/{progress.at}")
    # In a flow a step can come again, so its turn is part of its path.
    return place._replace(
        path=f"{place.path}/{progress.at}@{progress.taken}",
        flows=True,
        following=body.following(progress.at),
    )


def _next(body: Body, step: Step, end: Passed | Broken, at: int) -> int | Broken:
    """Return the position to go on from; past the last one the item is done."""
    if not body.flows:
        return end if isinstance(end, Broken) else at + 1
    way = step.on_error if isinstance(end, Broken) else end.way
    if way is None:
        return end if isinstance(end, Broken) else len(body.steps)
    position = body.positions.get(way)
    return Broken(f"step not found: {way}", {}) if position is None else position
