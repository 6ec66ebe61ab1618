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


def run_step(step: Step, scope: Scope, run: Run) -> Ended:
    """Try a step until it passes, has failed for good, or needs something that is not here yet."""
    progress = run.progress(scope.path)
    if progress.branch is not None:
        return UNFINISHED
    while True:
        verdict = _try(step, scope, run, progress)
        if not isinstance(verdict, StepFailed):
            return _ended(step, scope, verdict, progress, run)
        _record_failure(step, scope, progress, verdict, run)
        if not worth_repeating(step.retry, progress.attempt, verdict):
            if scope.container is None or verdict.final:  # else its container may repeat it
                run.withdraw_approvals(scope.path)
            return verdict
        scope = scope._replace(delay=_repeat(step.retry, scope, progress, run))


def _ended(
    step: Step,
    scope: Scope,
    verdict: StepPassed | StepPaused | StepIncomplete,
    progress: StepProgress,
    run: Run,
) -> Ended:
    match verdict:
        case StepPassed():
            if verdict.output is not None:  # else it was recorded when it paused
                run.add_record(step, scope, progress, verdict.output)
            return verdict
        case StepPaused():
            _wait(step, scope, progress, verdict, run)
            return UNFINISHED
        case StepIncomplete():
            return verdict
        case _:
            assert_never(verdict)


def _try(step: Step, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Try a step once; what is wrong with the definition or the data is final."""
    try:
        verdict: StepResult = _STEPS[step.type](step, scope, run, progress)
    except StepError as fault:
        return StepFailed(str(fault), failure(step, progress.results, progress.unresolved))
    return verdict


def _wait(step: Step, scope: Scope, progress: StepProgress, pausing: StepPaused, run: Run) -> None:
    """Record a step that waits from now on, and create what it asks for: never again."""
    run.add_record(step, scope, progress, pausing.output)
    for approval in pausing.new_approvals:
        run.add_write(approval)
    run.add_branch(pausing.branch)
    if scope.container is not None:
        progress.branch = pausing.branch


def _record_failure(
    step: Step, scope: Scope, progress: StepProgress, failed: StepFailed, run: Run
) -> None:
    if progress.wait_result is not None:
        progress.began = run.next_moment()  # it has a record already, from its pause
    run.add_record(step, scope, progress, failed.output, failed.error)


def _repeat(retry: RetryPolicy, scope: Scope, progress: StepProgress, run: Run) -> float:
    """Begin the next attempt of a step and of what has failed inside of it; return the delay."""
    progress.attempt += 1
    delay = max(scope.delay, backoff(retry, progress.attempt))
    _begin_again(progress, delay, run)
    for path in run.paths_inside(scope.path):
        member = run.all_progress[path]
        if member.ended == "failed" and not member.final:
            member = run.progress(path)
            member.attempt = 1
            _begin_again(member, delay, run)
    return delay


def _begin_again(progress: StepProgress, delay: float, run: Run) -> None:
    progress.began = run.next_moment()
    progress.clock = run.clock + delay
    progress.branch = progress.wait_result = progress.note = progress.ended = progress.error = None


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
