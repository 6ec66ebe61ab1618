"""The `wait` step: a pause for an event, with or without a timeout, or for a time.

It is the only step that waits without an approval, so it stands apart from the basic steps.
"""

from resumer_daemon.durations import format_duration, parse_duration
from resumer_daemon.engine.runtime import Run, Scope, time_after
from resumer_daemon.engine.state import Branch, StepProgress, WaitCondition, wait_next_steps
from resumer_daemon.engine.step_result import StepFailed, StepPassed, StepPaused, StepResult, output
from resumer_daemon.workflow.definition import WaitStep
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render
from resumer_daemon.workflow.values import Json


def run_wait(step: WaitStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Pause, or continue after the pause.

    Raises:
        StepError: It has neither an event nor a duration, or a duration is invalid.
    """
    if progress.wait_result is not None:
        return _after_wait(step, scope, progress)
    if step.event:
        return _pause_for_event(step, step.event, scope, run, progress)
    if step.duration is None:
        raise StepError("wait needs an event or a duration")
    due_at = time_after(progress.began, step.duration)  # another pause may come before it
    branch = Branch(
        scope.branch,
        step.id,
        "waiting_for_time",
        scope.next_steps(wait_next_steps(step, scope.following)),
        WaitCondition(due_at=due_at),
        since=progress.began,
    )
    return StepPaused(branch, output("wait", True, None, {"due_at": due_at.isoformat()}))


def _pause_for_event(
    step: WaitStep, event: str, scope: Scope, run: Run, progress: StepProgress
) -> StepPaused:
    unresolved: set[str] = set()
    # Secrets are never stored. A masked one in `match` matches no event.
    match = mask_secrets(
        render(dict(step.match), scope.context, run.template_names(step, None), unresolved)
    )
    timeout = _timeout(step)
    due_at = None if timeout is None else time_after(progress.began, timeout)
    branch = Branch(
        scope.branch,
        step.id,
        "waiting_for_event",
        scope.next_steps(wait_next_steps(step, scope.following)),
        WaitCondition(event=event, match=match, due_at=due_at),
        since=progress.began,
    )
    data = {"event": event, "match": match, "due_at": due_at and due_at.isoformat()}
    return StepPaused(branch, output("wait", True, None, data, tuple(unresolved)))


def _after_wait(step: WaitStep, scope: Scope, progress: StepProgress) -> StepResult:
    next_steps = wait_next_steps(step, scope.following)
    if progress.wait_result != "timeout" or not step.event:
        return StepPassed(None, next_steps.event)
    if scope.flows and next_steps.timeout is not None:
        return StepPassed(None, next_steps.timeout)
    waited = parse_duration(_timeout(step))
    error = "timed out" if waited is None else f"timed out after {format_duration(waited)}"
    error = f"{error} waiting for {step.event}"
    return StepFailed(error, output("wait", False), final=False, retry_class="timeout")


def _timeout(step: WaitStep) -> Json:
    """Return the timeout of a wait for an event."""
    return step.wait_timeout if step.wait_timeout is not None else step.duration
