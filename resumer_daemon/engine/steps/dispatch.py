"""Run one step by its type, as often as its `retry` allows."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import StepProgress
from resumer_daemon.engine.step_result import (
    UNFINISHED,
    Ended,
    StepFailed,
    StepIncomplete,
    StepPassed,
    StepPaused,
    StepResult,
    failure,
)
from resumer_daemon.engine.steps import basic, containers, wait
from resumer_daemon.workflow.definition import RetryPolicy, Step
from resumer_daemon.workflow.errors import StepError

# By type and not by `match`: a pydantic class answers isinstance ten times slower than a dict.
_STEPS: Final[Mapping[str, Any]] = {
    "condition": basic.run_condition,
    "action": basic.run_action,
    "execute": basic.run_execute,
    "parallel": containers.run_parallel,
    "foreach": containers.run_foreach,
    "wait": wait.run_wait,
    "broken": basic.run_invalid,
}


def run_step(step: Step, place: Scope, walk: Run) -> Ended:
    """Try a step until it passes, has failed for good, or needs something that is not here yet."""
    progress = walk.progress(place.path)
    if progress.waits is not None:
        return UNFINISHED
    while True:
        verdict = _try(step, place, walk, progress)
        if not isinstance(verdict, StepFailed):
            return _ended(step, place, verdict, progress, walk)
        _record_failure(step, place, progress, verdict, walk)
        if not worth_repeating(step.retry, progress.attempt, verdict):
            if place.container is None or verdict.final:  # else its container may repeat it
                walk.give_up(place.path)
            return verdict
        place = place._replace(delay=_repeat(step.retry, place, progress, walk))


def _ended(
    step: Step,
    place: Scope,
    verdict: StepPassed | StepPaused | StepIncomplete,
    progress: StepProgress,
    walk: Run,
) -> Ended:
    match verdict:
        case StepPassed():
            if verdict.output is not None:  # else it was recorded when it paused
                walk.record(step, place, progress, verdict.output)
            return verdict
        case StepPaused():
            _wait(step, place, progress, verdict, walk)
            return UNFINISHED
        case StepIncomplete():
            return verdict
        case _:
            assert_never(verdict)


def _try(step: Step, place: Scope, walk: Run, progress: StepProgress) -> StepResult:
    """Try a step once; what is wrong with the definition or the data is final."""
    try:
        verdict: StepResult = _STEPS[step.type](step, place, walk, progress)
    except StepError as fault:
        return StepFailed(str(fault), failure(step, progress.results, progress.unresolved))
    return verdict


def _wait(step: Step, place: Scope, progress: StepProgress, pausing: StepPaused, walk: Run) -> None:
    """Record a step that waits from now on, and create what it asks for: never again."""
    walk.record(step, place, progress, pausing.output)
    walk.writes.extend(pausing.new_approvals)
    walk.branches[pausing.branch.path] = pausing.branch
    if place.container is not None:
        progress.waits = pausing.branch


def _record_failure(
    step: Step, place: Scope, progress: StepProgress, failed: StepFailed, walk: Run
) -> None:
    if progress.reply is not None:
        progress.began = walk.moment()  # it has a record already, from its pause
    walk.record(step, place, progress, failed.output, failed.error)


def _repeat(retry: RetryPolicy, place: Scope, progress: StepProgress, walk: Run) -> float:
    """Begin the next attempt of a step and of what has failed inside of it; return the delay."""
    progress.attempt += 1
    delay = max(place.delay, backoff(retry, progress.attempt))
    _begin_again(progress, delay, walk)
    for path in walk.inside(place.path):
        member = walk.done[path]
        if member.ended == "failed" and not member.final:
            member = walk.progress(path)
            member.attempt = 1
            _begin_again(member, delay, walk)
    return delay


def _begin_again(progress: StepProgress, delay: float, walk: Run) -> None:
    progress.began = walk.moment()
    progress.clock = walk.clock + delay
    progress.waits = progress.reply = progress.note = progress.ended = progress.error = None


_LARGEST_POWER = 32


def worth_repeating(retry: RetryPolicy, attempt: int, broken: StepFailed) -> bool:
    """Tell whether a failed attempt is followed by another one."""
    if broken.final or attempt >= retry.max_attempts:
        return False
    return not retry.retry_on or any(_means(entry, broken) for entry in retry.retry_on)


def backoff(retry: RetryPolicy, attempt: int) -> float:
    """Return the seconds to wait before this attempt; jitter is the shell's, and only shortens."""
    match retry.backoff:
        case "exponential":
            return 2.0 ** min(attempt - 1, _LARGEST_POWER)
        case "linear":
            return float(attempt)
        case "fixed":
            return 1.0


def _means(entry: str, broken: StepFailed) -> bool:
    """Tell whether an entry of `retry_on` means this failure."""
    failed_as = broken.retry_class or ""
    if entry in ("*", failed_as):
        return True
    if entry == "5xx" and len(failed_as) == 3 and failed_as.startswith("5"):
        return True
    return bool(entry) and entry.lower() in broken.error.lower()
