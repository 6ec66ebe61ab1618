"""Where a pause leads, by what ends it."""

from resumer_daemon.engine.branch import Ways
from resumer_daemon.workflow.definition import ActionStep, Step, WaitStep


def approval_ways(step: ActionStep, following: str | None) -> Ways:
    """Return the ways of a block that requires an approval; an expiry refuses unless it has one."""
    return Ways(
        approved=step.on_true or step.next or following,
        refused=step.on_false,
        expired=step.on_timeout or step.on_false,
    )


def wait_ways(step: WaitStep, following: str | None) -> Ways:
    """Return the ways of a wait: on with the event or at the time, else after the timeout."""
    return Ways(event=step.on_event or step.next or following, timeout=step.on_timeout)


def targets(step: Step) -> frozenset[str]:
    """Return every step that this one names as a way."""
    named: list[str | None] = [step.next, step.on_error]
    match step.type:
        case "condition":
            named += [step.on_true, step.on_false]
        case "action":
            named += [step.on_true, step.on_false, step.on_timeout]
        case "wait":
            ways = wait_ways(step, None)
            named += [ways.event, ways.timeout]
    return frozenset(name for name in named if name)
