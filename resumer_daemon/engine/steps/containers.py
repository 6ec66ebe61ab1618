"""Steps that hold other steps: `parallel` and `foreach`.

Each member of a `parallel` runs to its end, then the strategy decides the result. With
`any_can_pass` the first member that passes ends the others. A `foreach` runs one body for each
item of a list and keeps a cursor, however long the list is.
"""

from collections.abc import Iterator, Mapping, Sequence

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.runtime import Deadline, Run, Scope, earlier
from resumer_daemon.engine.state import StepProgress, targets
from resumer_daemon.engine.step_result import (
    UNFINISHED,
    Ended,
    StepFailed,
    StepIncomplete,
    StepPassed,
    StepResult,
    failure,
    output,
)
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import ForeachStep, ParallelStep, Step
from resumer_daemon.workflow.errors import FieldNotFound, StepError
from resumer_daemon.workflow.templates import follow, reference
from resumer_daemon.workflow.values import MISSING, Json

SUPERSEDED = "superseded: another branch has passed"


def run_parallel(step: ParallelStep, place: Scope, walk: Run, progress: StepProgress) -> StepResult:
    """Run what has not ended of each member.

    Raises:
        Fault: There are no members or too many, or the strategy is unknown.
    """
    check_size(step, place, walk)
    if step.strategy not in ("all_must_pass", "any_can_pass", "best_effort"):
        raise StepError(f"unknown parallel strategy: {step.strategy}")
    shared = within(step, place, progress)
    paths = [f"{place.path}/{number}" for number in range(len(step.steps))]
    ends = [run_member(*each, shared, walk) for each in zip(step.steps, paths, strict=True)]
    if step.strategy == "any_can_pass" and not walk.yielded and _any_passed(ends):
        ends = [_given_up(*each, walk) for each in zip(step.steps, paths, ends, strict=True)]
    if any(isinstance(end, StepIncomplete) for end in ends):
        return UNFINISHED
    verdict = _amounts_to(step, ends)
    if isinstance(verdict, StepPassed):
        _give_up_failed(paths, ends, walk)
    return verdict


def _give_up_failed(paths: Sequence[str], ends: Sequence[Ended], walk: Run) -> None:
    """Withdraw what members have asked for that could have been repeated and will not be."""
    for path, end in zip(paths, ends, strict=True):
        if isinstance(end, StepFailed) and not end.final:
            walk.give_up(path)


def _any_passed(ends: Sequence[Ended]) -> bool:
    return any(isinstance(end, StepPassed) for end in ends)


def _given_up(member: Step, path: str, end: Ended, walk: Run) -> Ended:
    """Give up a member that has not ended: what it waits for is void, and no effect is begun.

    An effect that was sent is let finish, and its result is recorded.
    """
    if not isinstance(end, StepIncomplete) or walk.keep_sent(path):
        return end
    progress = walk.done.get(path)
    if progress is not None and progress.waits is None:
        walk.record(
            member, Scope(path, 1, {}), progress, failure(member, progress.results), SUPERSEDED
        )
    walk.drop(path)
    given_up = StepFailed(SUPERSEDED, {}, final=True)
    remember(given_up, path, walk)
    return given_up


def _amounts_to(step: ParallelStep, ends: Sequence[Ended]) -> StepResult:
    failures = [(number, end) for number, end in enumerate(ends) if isinstance(end, StepFailed)]
    if step.strategy == "all_must_pass" and failures:
        number, first = failures[0]
        # One member that nothing can mend is enough to make a repetition pointless.
        final = any(end.final for _, end in failures)
        return _broken(f"parallel step {number} failed: {first.error}", final, step, ends)
    if step.strategy == "any_can_pass" and len(failures) == len(ends):
        final = all(end.final for _, end in failures)
        return _broken(f"all parallel steps failed: {failures[0][1].error}", final, step, ends)
    return StepPassed(output("parallel", True, None, _data(step, ends)), step.next)


def _broken(error: str, final: bool, step: ParallelStep, ends: Sequence[Ended]) -> StepFailed:
    classes = (end.retry_class for end in ends if isinstance(end, StepFailed) and not end.final)
    failed = output("parallel", False, None, _data(step, ends))
    return StepFailed(error, failed, final, next(classes, None))


def _data(step: ParallelStep, ends: Sequence[Ended]) -> dict[str, Json]:
    return {
        "strategy": step.strategy,
        "steps": [
            {
                "step_id": member.id,
                "success": isinstance(end, StepPassed),
                "error": end.error if isinstance(end, StepFailed) else None,
            }
            for member, end in zip(step.steps, ends, strict=True)
        ],
    }


INDEX = "_index"


def run_foreach(step: ForeachStep, place: Scope, walk: Run, progress: StepProgress) -> StepResult:
    """Run the items that are left; the first failure ends the step.

    Raises:
        Fault: Steps, items or the name of an item are missing, or there are too many items.
    """
    check_size(step, place, walk)
    if not step.item_var:
        raise StepError(f"foreach {step.id}: no item_var")
    items = _items(step, place, walk)
    scope = dict(place.context)
    shared = within(step, place, progress)._replace(context=scope)
    body = Body.of(step.steps)
    while progress.item < len(items):
        # One scope for all: nothing keeps what an item has seen.
        scope[step.item_var] = items[progress.item]
        scope[INDEX] = scope[f"{step.item_var}_index"] = progress.item
        path = f"{place.path}/{progress.item}"
        end = run_body(body, shared._replace(path=path), walk, progress)
        match end:
            case StepIncomplete():
                return end
            case StepFailed(error, _, final, failed_as):
                data = {"items": len(items), "completed": progress.item}
                failed = output("foreach", False, None, data)
                failed_at = body.steps[progress.at].id
                error = f"foreach item {progress.item} failed: {failed_at}: {error}"
                return StepFailed(error, failed, final, failed_as)
        progress.item += 1
        progress.at = progress.taken = progress.rested = 0
    return StepPassed(output("foreach", True, None, {"items": len(items)}), step.next)


def _items(step: ForeachStep, place: Scope, walk: Run) -> list[Json]:
    if not step.items:
        raise StepError(f"foreach {step.id}: no items")
    path = reference(step.items)
    if path is None:
        raise StepError(f"foreach {step.id}: items are no reference to a list: {step.items}")
    items = follow(path, place.context)
    if items is MISSING:
        raise FieldNotFound(path)
    if not isinstance(items, list):
        raise StepError(f"foreach {step.id}: items are no list: {path}")
    if len(items) > walk.world.limits.items:
        most = walk.world.limits.items
        raise StepError(f"foreach {step.id}: {len(items)} items, at most {most} can run")
    return items


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


def run_body(body: Body, place: Scope, walk: Run, progress: StepProgress) -> Ended:
    """Run the body for one item from where `progress` says it stands."""
    while progress.at < len(body.steps):
        step = body.steps[progress.at]
        here = _place_of(body, place, progress)
        if here.path not in walk.done and not _may_enter(here, walk, progress):
            return UNFINISHED
        end = walk.run(step, here, walk)
        if isinstance(end, StepIncomplete):
            return end
        next_at = _next(body, step, end, progress.at)
        if isinstance(next_at, StepFailed):
            remember(next_at, here.path, walk)
            return next_at
        if isinstance(end, StepFailed):
            walk.give_up(here.path)
        walk.forget(here.path)
        progress.at = next_at
        progress.taken += 1
    return StepPassed(None)


def _may_enter(place: Scope, walk: Run, progress: StepProgress) -> bool:
    """Enter a step that is not under way yet, unless something speaks against it."""
    if walk.yields():
        return False
    if progress.taken - progress.rested >= walk.world.limits.step_budget:
        walk.incident = over_budget(walk, f"an item at {place.path}")
        return False
    walk.count_step(place)
    return True


def over_budget(walk: Run, what: str) -> Incident:
    """Return the incident of a flow that goes round and round."""
    return Incident(
        "step_budget",
        f"{what} has taken {walk.world.limits.step_budget} steps without a pause",
        "mend the loop of the definition and cancel, or retry to let it go on",
    )


def _place_of(body: Body, place: Scope, progress: StepProgress) -> Scope:
    if not body.flows:
        return place._replace(path=f"{place.path}/{progress.at}")
    # In a flow a step can come again, so its turn is part of its path.
    return place._replace(
        path=f"{place.path}/{progress.at}@{progress.taken}",
        flows=True,
        following=body.following(progress.at),
    )


def _next(body: Body, step: Step, end: StepPassed | StepFailed, at: int) -> int | StepFailed:
    """Return the position to go on from; past the last one the item is done."""
    if not body.flows:
        return end if isinstance(end, StepFailed) else at + 1
    way = step.on_error if isinstance(end, StepFailed) else end.next_step
    if way is None:
        return end if isinstance(end, StepFailed) else len(body.steps)
    position = body.positions.get(way)
    return StepFailed(f"step not found: {way}", {}) if position is None else position


def check_size(step: ParallelStep | ForeachStep, place: Scope, walk: Run) -> None:
    """Refuse what has nothing in it, or is too wide or too deep to run.

    Raises:
        Fault: It is.
    """
    limits = walk.world.limits
    if not step.steps:
        raise StepError(f"{step.type} step has no steps")
    if place.depth >= limits.depth:
        raise StepError(f"{step.type} nested more than {limits.depth} levels deep")
    if len(step.steps) > limits.width:
        raise StepError(f"{step.type} has {len(step.steps)} steps, at most {limits.width} can run")


def within(step: ParallelStep | ForeachStep, place: Scope, progress: StepProgress) -> Scope:
    """Return the place that the members of a step share, but for their paths."""
    limit = place.limit
    if step.timeout is not None:
        limit = earlier(limit, Deadline(progress.clock + step.timeout, step.timeout))
    return place._replace(
        following=None,
        container=place.container or step.id,
        flows=False,
        depth=place.depth + 1,
        limit=limit,
    )


def run_member(step: Step, path: str, shared: Scope, walk: Run) -> Ended:
    """Run one member, unless it has ended or only waits, and remember how it ended."""
    known = walk.done.get(path)
    if known is None:
        walk.count_step(shared)
    elif known.ended is not None:
        return _ending(known)
    elif not walk.moves(path):
        return UNFINISHED
    end = walk.run(step, shared._replace(path=path), walk)
    remember(end, path, walk)
    return end


def remember(end: Ended, path: str, walk: Run) -> None:
    """Keep what must be known of a member that has ended: all of it only if it may be repeated."""
    match end:
        case StepPassed():
            walk.forget(path)
            walk.keep(path, StepProgress(ended="passed"))
        case StepFailed(error, final=True):
            walk.forget(path)
            walk.keep(path, StepProgress(ended="failed", error=error, final=True))
        case StepFailed(error, retry_class=failed_as):
            failed = walk.progress(path)
            failed.ended, failed.error, failed.failed_as = "failed", error, failed_as


def under_way(step: Step, path: str, walk: Run) -> Iterator[tuple[Step, str]]:
    """Yield the members of a step that have begun and not ended, at any depth, with their paths."""
    if not isinstance(step, ParallelStep | ForeachStep):
        return
    for at in walk.inside(path):
        known = walk.done[at]
        member = member_at(step, at[len(path) + 1 :].split("/"))
        has_row = known.waits is not None or known.reply is not None  # since it paused
        if member is not None and known.ended is None and not has_row:
            yield member, at


def member_at(step: Step, parts: Sequence[str]) -> Step | None:
    """Return the member that a path leads to: one place in a `parallel`, item and place else."""
    if not parts:
        return step
    if isinstance(step, ParallelStep):
        place, rest = parts[0], parts[1:]
    elif isinstance(step, ForeachStep) and len(parts) > 1:
        place, rest = parts[1].partition("@")[0], parts[2:]
    else:
        return None
    return member_at(step.steps[int(place)], rest) if int(place) < len(step.steps) else None


def _ending(known: StepProgress) -> StepPassed | StepFailed:
    if known.ended == "passed":
        return StepPassed(None)
    return StepFailed(known.error or "", {}, known.final, known.failed_as)
