"""What steps that hold other steps have in common."""

from collections.abc import Iterator, Sequence

from resumer_daemon.engine.clock import Limit, earlier
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.verdict import UNFINISHED, Broken, Ended, Passed
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ForeachStep, ParallelStep, Step
from resumer_daemon.workflow.errors import Fault


def check_size(step: ParallelStep | ForeachStep, place: Place, walk: Walk) -> None:
    """Refuse what has nothing in it, or is too wide or too deep to run.

    Raises:
        Fault: It is.
    """
    limits = walk.world.limits
    if not step.steps:
        raise Fault(f"{step.type} step has no steps")
    if place.depth >= limits.depth:
        raise Fault(f"{step.type} nested more than {limits.depth} levels deep")
    if len(step.steps) > limits.width:
        raise Fault(f"{step.type} has {len(step.steps)} steps, at most {limits.width} can run")


def within(step: ParallelStep | ForeachStep, place: Place, progress: Progress) -> Place:
    """Return the place that the members of a step share, but for their paths."""
    limit = place.limit
    if step.timeout is not None:
        limit = earlier(limit, Limit(progress.clock + step.timeout, step.timeout))
    return place._replace(
        following=None,
        container=place.container or step.id,
        flows=False,
        depth=place.depth + 1,
        limit=limit,
    )


def run_member(step: Step, path: str, shared: Place, walk: Walk) -> Ended:
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


def remember(end: Ended, path: str, walk: Walk) -> None:
    """Keep what must be known of a member that has ended: all of it only if it may be repeated."""
    match end:
        case Passed():
            walk.forget(path)
            walk.keep(path, Progress(ended="passed"))
        case Broken(error, final=True):
            walk.forget(path)
            walk.keep(path, Progress(ended="failed", error=error, final=True))
        case Broken(error, retry_class=failed_as):
            failed = walk.progress(path)
            failed.ended, failed.error, failed.failed_as = "failed", error, failed_as


def under_way(step: Step, path: str, walk: Walk) -> Iterator[tuple[Step, str]]:
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


def _ending(known: Progress) -> Passed | Broken:
    if known.ended == "passed":
        return Passed(None)
    return Broken(known.error or "", {}, known.final, known.failed_as)
