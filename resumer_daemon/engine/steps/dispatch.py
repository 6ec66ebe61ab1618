"""Run one step by its type, with retries and timeout."""

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

# A dict instead of `match`: `isinstance` of a pydantic class takes ten times as long.
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
    """Run a step until it passes, fails for good, waits, or needs results."""
    progress = run.progress(scope.path)
    if progress.branch is not None:
        return UNFINISHED
    while True:
        result = _attempt(step, scope, run, progress)
        if not isinstance(result, StepFailed):
            return _end(step, scope, result, progress, run)
        _record_failure(step, scope, progress, result, run)
        if not worth_repeating(step.retry, progress.attempt, result):
            if scope.container is None or result.final:  # otherwise its container may repeat it
                run.withdraw_approvals(scope.path)
            return result
        scope = scope._replace(delay=_begin_next_attempt(step.retry, scope, progress, run))


def _end(
    step: Step,
    scope: Scope,
    result: StepPassed | StepPaused | StepIncomplete,
    progress: StepProgress,
    run: Run,
) -> Ended:
    match result:
        case StepPassed():
            if result.output is not None:  # otherwise it was recorded when it paused
                run.add_record(step, scope, progress, result.output)
            return result
        case StepPaused():
            _begin_wait(step, scope, progress, result, run)
            return UNFINISHED
        case StepIncomplete():
            return result
        case _:
            assert_never(result)


def _attempt(step: Step, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Run one attempt. An error in the definition or the data is final."""
    try:
        result: StepResult = _STEPS[step.type](step, scope, run, progress)
    except StepError as fault:
        return StepFailed(str(fault), failure(step, progress.results, progress.unresolved))
    return result


def _begin_wait(
    step: Step, scope: Scope, progress: StepProgress, paused: StepPaused, run: Run
) -> None:
    """Record a step that begins to wait, and write its approvals."""
    run.add_record(step, scope, progress, paused.output)
    for approval in paused.new_approvals:
        run.add_write(approval)
    run.add_branch(paused.branch)
    if scope.container is not None:
        progress.branch = paused.branch


def _record_failure(
    step: Step, scope: Scope, progress: StepProgress, failed: StepFailed, run: Run
) -> None:
    if progress.wait_result is not None:
        progress.began = run.next_moment()  # its pause already has a record
    run.add_record(step, scope, progress, failed.output, failed.error)


def _begin_next_attempt(
    retry: RetryPolicy, scope: Scope, progress: StepProgress, run: Run
) -> float:
    """Begin the next attempt of a step and of failed steps inside it. Return the delay."""
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


def worth_repeating(retry: RetryPolicy, attempt: int, failed: StepFailed) -> bool:
    """Tell whether another attempt follows a failed one."""
    if failed.final or attempt >= retry.max_attempts:
        return False
    return not retry.retry_on or any(_matches(entry, failed) for entry in retry.retry_on)


def backoff(retry: RetryPolicy, attempt: int) -> float:
    """Return the seconds to wait before this attempt. The daemon's jitter only shortens them."""
    match retry.backoff:
        case "exponential":
            return 2.0 ** min(attempt - 1, _LARGEST_POWER)
        case "linear":
            return float(attempt)
        case "fixed":
            return 1.0


def _matches(entry: str, failed: StepFailed) -> bool:
    """Tell whether an entry of `retry_on` matches this failure."""
    retry_class = failed.retry_class or ""
    if entry in ("*", retry_class):
        return True
    if entry == "5xx" and len(retry_class) == 3 and retry_class.startswith("5"):
        return True
    return bool(entry) and entry.lower() in failed.error.lower()
