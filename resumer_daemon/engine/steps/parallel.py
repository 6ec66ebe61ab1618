"""Members side by side: each runs to its end, then the strategy says what that amounts to.

With `any_can_pass` the first that passes is the end: the others are given up.
"""

from collections.abc import Sequence

from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.steps.members import check_size, remember, run_member, within
from resumer_daemon.engine.verdict import (
    UNFINISHED,
    Broken,
    Ended,
    Passed,
    Unfinished,
    Verdict,
    failure,
    output,
)
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ParallelStep, Step
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.values import Json

SUPERSEDED = "superseded: another branch has passed"


def run_parallel(step: ParallelStep, place: Place, walk: Walk, progress: Progress) -> Verdict:
    """Run what has not ended of each member.

    Raises:
        Fault: There are no members or too many, or the strategy is unknown.
    """
    check_size(step, place, walk)
    if step.strategy not in ("all_must_pass", "any_can_pass", "best_effort"):
        raise Fault(f"unknown parallel strategy: {step.strategy}")
    shared = within(step, place, progress)
    paths = [f"{place.path}/{number}" for number in range(len(step.steps))]
    ends = [run_member(*each, shared, walk) for each in zip(step.steps, paths, strict=True)]
    if step.strategy == "any_can_pass" and not walk.yielded and _any_passed(ends):
        ends = [_given_up(*each, walk) for each in zip(step.steps, paths, ends, strict=True)]
    if any(isinstance(end, Unfinished) for end in ends):
        return UNFINISHED
    verdict = _amounts_to(step, ends)
    if isinstance(verdict, Passed):
        _give_up_failed(paths, ends, walk)
    return verdict


def _give_up_failed(paths: Sequence[str], ends: Sequence[Ended], walk: Walk) -> None:
    """Withdraw what members have asked for that could have been repeated and will not be."""
    for path, end in zip(paths, ends, strict=True):
        if isinstance(end, Broken) and not end.final:
            walk.give_up(path)


def _any_passed(ends: Sequence[Ended]) -> bool:
    return any(isinstance(end, Passed) for end in ends)


def _given_up(member: Step, path: str, end: Ended, walk: Walk) -> Ended:
    """Give up a member that has not ended: what it waits for is void, and no effect is begun.

    An effect that was sent is let finish, and its result is recorded.
    """
    if not isinstance(end, Unfinished) or walk.keep_sent(path):
        return end
    progress = walk.done.get(path)
    if progress is not None and progress.waits is None:
        walk.record(
            member, Place(path, 1, {}), progress, failure(member, progress.results), SUPERSEDED
        )
    walk.drop(path)
    given_up = Broken(SUPERSEDED, {}, final=True)
    remember(given_up, path, walk)
    return given_up


def _amounts_to(step: ParallelStep, ends: Sequence[Ended]) -> Verdict:
    failures = [(number, end) for number, end in enumerate(ends) if isinstance(end, Broken)]
    if step.strategy == "all_must_pass" and failures:
        number, first = failures[0]
        # One member that nothing can mend is enough to make a repetition pointless.
        final = any(end.final for _, end in failures)
        return _broken(f"parallel step {number} failed: {first.error}", final, step, ends)
    if step.strategy == "any_can_pass" and len(failures) == len(ends):
        final = all(end.final for _, end in failures)
        return _broken(f"all parallel steps failed: {failures[0][1].error}", final, step, ends)
    return Passed(output("parallel", True, None, _data(step, ends)), step.next)


def _broken(error: str, final: bool, step: ParallelStep, ends: Sequence[Ended]) -> Broken:
    classes = (end.retry_class for end in ends if isinstance(end, Broken) and not end.final)
    failed = output("parallel", False, None, _data(step, ends))
    return Broken(error, failed, final, next(classes, None))


def _data(step: ParallelStep, ends: Sequence[Ended]) -> dict[str, Json]:
    return {
        "strategy": step.strategy,
        "steps": [
            {
                "step_id": member.id,
                "success": isinstance(end, Passed),
                "error": end.error if isinstance(end, Broken) else None,
            }
            for member, end in zip(step.steps, ends, strict=True)
        ],
    }
