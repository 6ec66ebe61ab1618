"""Single steps: what is not understood of them, their size, and the ways of an approval."""

from resumer_daemon.durations import EXPECTED, seconds
from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.sites import Flow, Site
from resumer_daemon.workflow.definition import (
    NESTED,
    WIDEST,
    ActionStep,
    BrokenStep,
    ForeachStep,
    ParallelStep,
    Requires,
    WaitStep,
)
from resumer_daemon.workflow.reading import Reader
from resumer_daemon.workflow.spelling_acts import APPROVAL
from resumer_daemon.workflow.wording import shown


def check_step(site: Site, flow: Flow) -> Findings:
    """Check one step by itself."""
    match site.step:
        case BrokenStep(error=written):
            path, _, message = written.partition(": ")
            yield error(path, message)
        case WaitStep():
            yield from _wait(site)
        case ActionStep():
            yield from _approval(site, site.step, flow)
        case ParallelStep() | ForeachStep():
            yield from _size(site, site.step, flow)


def _size(site: Site, step: ParallelStep | ForeachStep, flow: Flow) -> Findings:
    if flow.depth == NESTED:
        yield error(site.written.path, f"{step.type} nested more than {NESTED} levels deep")
    if len(step.steps) > WIDEST:
        path, _ = site.written.inner(step.type, beneath=site.written).located("steps")
        yield error(path, f"{len(step.steps)} steps, at most {WIDEST} can run")


def _wait(site: Site) -> Findings:
    wait = site.written.inner("wait", beneath=site.written)
    for keys in ("for", "duration"), ("timeout",):
        path, value = wait.located(*keys)
        if value is not None and seconds(value) is None:
            yield error(path, f"expected {EXPECTED}, found {shown(value)}: the wait fails")


def _approval(site: Site, step: ActionStep, flow: Flow) -> Findings:
    written = site.written
    action = written
    if isinstance(written.value("action"), dict):
        action = written.inner("action", beneath=written)
    if step.requires is None:
        yield from _asks_nobody(step, action)
    if step.action != "block":
        return
    requires = action.inner("requires", beneath=written.inner("requires"))
    if step.requires is None:
        if requires.written:
            yield warning(requires.path, "type is not approval: this block asks for none")
        return
    yield from _enough_asked(requires.path, step, step.requires)
    if step.on_timeout and not _can_expire(step, step.requires):
        path, _ = written.located("on_timeout", "on_expired")
        yield warning(path, "this way is never taken: the approval has no timeout")
    if step.on_false is None and flow.of == "definition":
        end = "no way for a rejection, which completes the execution as blocked"
        yield warning(f"{written.path}.on_false", end)


def _asks_nobody(step: ActionStep, action: Reader) -> Findings:
    path, required = action.inner("metadata").located("approval_required")
    if step.action == "block" and required is not None and not isinstance(required, bool):
        yield warning(
            path, f"expected true or false, found {shown(required)}: no approval is asked"
        )
    if step.action != "block" and required is True:
        yield warning(path, f"{step.action} asks for no approval: only a block does")


def _can_expire(step: ActionStep, requires: Requires) -> bool:
    asking = [act for act in step.execute if act.type == APPROVAL]
    return requires.expires_in is not None or any(act.params.get("expires_in") for act in asking)


def _enough_asked(path: str, step: ActionStep, requires: Requires) -> Findings:
    """A list that asks itself is all that asks, whatever is needed."""
    asked = sum(act.type == APPROVAL for act in step.execute)
    needed = max(requires.approvals or 0, len(requires.roles))
    if 0 < asked < needed:
        missing = "others must add what is missing"
        yield warning(path, f"{needed} approvals are needed, the list asks for {asked}: {missing}")
