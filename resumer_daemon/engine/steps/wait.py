"""A wait: a pause for an event, with or without a timeout, or for a time."""

from datetime import datetime, timedelta

from resumer_daemon.durations import seconds
from resumer_daemon.engine.runtime import Place, Walk, spoken
from resumer_daemon.engine.state import Branch, Progress, Waiting, wait_ways
from resumer_daemon.engine.step_result import Broken, Passed, Pausing, Verdict, output
from resumer_daemon.workflow.definition import WaitStep
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render
from resumer_daemon.workflow.values import Json, printed


def run_wait(step: WaitStep, place: Place, walk: Walk, progress: Progress) -> Verdict:
    """Pause, or go on from the pause.

    Raises:
        Fault: There is nothing to wait for, or a duration is not understood.
    """
    if progress.reply is not None:
        return _answered(step, place, progress)
    if step.event:
        return _pause_for_event(step, step.event, place, walk, progress)
    if step.duration is None:
        raise Fault("wait needs an event or a duration")
    due_at = _due(step.duration, progress.began)
    branch = Branch(
        place.branch,
        step.id,
        "waiting_for_time",
        place.ways(wait_ways(step, place.following)),
        Waiting(due_at=due_at),
        since=progress.began,
    )
    return Pausing(branch, output("wait", True, None, {"due_at": due_at.isoformat()}))


def _pause_for_event(
    step: WaitStep, event: str, place: Place, walk: Walk, progress: Progress
) -> Pausing:
    unresolved: set[str] = set()
    # A secret is never stored: in a match it is the text of its reference, which no event brings.
    match = mask_secrets(
        render(dict(step.match), place.context, walk.names(step, None), unresolved)
    )
    timeout = _timeout(step)
    due_at = None if timeout is None else _due(timeout, progress.began)
    branch = Branch(
        place.branch,
        step.id,
        "waiting_for_event",
        place.ways(wait_ways(step, place.following)),
        Waiting(event=event, match=match, due_at=due_at),
        since=progress.began,
    )
    data = {"event": event, "match": match, "due_at": due_at and due_at.isoformat()}
    return Pausing(branch, output("wait", True, None, data, tuple(unresolved)))


def _answered(step: WaitStep, place: Place, progress: Progress) -> Verdict:
    ways = wait_ways(step, place.following)
    if progress.reply != "timeout" or not step.event:
        return Passed(None, ways.event)
    if place.flows and ways.timeout is not None:
        return Passed(None, ways.timeout)
    waited = seconds(_timeout(step))
    error = "timed out" if waited is None else f"timed out after {spoken(waited)}"
    error = f"{error} waiting for {step.event}"
    return Broken(error, output("wait", False), final=False, retry_class="timeout")


def _timeout(step: WaitStep) -> Json:
    """Return how long to wait for an event at most."""
    return step.wait_timeout if step.wait_timeout is not None else step.duration


def _due(duration: Json, since: datetime) -> datetime:
    """Return when a wait is over, from when it was reached: another pause may come before it."""
    delay = seconds(duration)
    if delay is None:
        raise Fault(f"not a duration: {printed(duration)}")
    try:
        return since + timedelta(seconds=delay)
    except OverflowError:
        raise Fault(f"too long a duration: {printed(duration)}") from None
