"""Single steps: what is not understood of them, their durations, and a way for a rejection."""

from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.sites import Flow, Site
from resumer_daemon.workflow.definition import ActionStep, BrokenStep, Requires, WaitStep
from resumer_daemon.workflow.durations import seconds
from resumer_daemon.workflow.reading import Reader
from resumer_daemon.workflow.references import REFERENCE
from resumer_daemon.workflow.spelling_acts import APPROVAL
from resumer_daemon.workflow.wording import shown

_DURATION: Final = "expected a duration such as 30s or 1h30m, found"


def check_step(site: Site, flow: Flow) -> Findings:
    """Check one step by itself."""
    match site.step:
        case BrokenStep(error=written):
            path, _, message = written.partition(": ")
            yield error(path, message)
        case WaitStep():
            yield from _wait(site)
        case ActionStep():
            yield from check_duration(site.written, "timeout")
            yield from _approval(site, site.step, flow)
        case _:
            yield from check_duration(site.written, "timeout")


def check_duration(written: Reader, *keys: str) -> Findings:
    """Check a duration that counts as not given where it is not understood, unless rendered."""
    path, value = written.located(*keys)
    is_template = isinstance(value, str) and REFERENCE.search(value)
    if value is not None and seconds(value) is None and not is_template:
        yield warning(path, f"{_DURATION} {shown(value)}: counts as not given")


def _wait(site: Site) -> Findings:
    wait = site.written.inner("wait", beneath=site.written)
    for keys in ("for", "duration"), ("timeout",):
        path, value = wait.located(*keys)
        if value is not None and seconds(value) is None:
            yield error(path, f"{_DURATION} {shown(value)}: the wait fails")


def _approval(site: Site, step: ActionStep, flow: Flow) -> Findings:
    if step.action != "block":
        return
    written = site.written
    action = written
    if isinstance(written.value("action"), dict):
        action = written.inner("action", beneath=written)
    requires = action.inner("requires", beneath=written.inner("requires"))
    if step.requires is None:
        if requires.written:
            yield warning(requires.path, "type is not approval: this block asks for none")
        return
    yield from _enough_asked(requires.path, step, step.requires)
    yield from check_duration(requires, "timeout", "expires_in")
    yield from check_duration(action.inner("metadata"), "auto_expire")
    if step.on_false is None and flow.of == "definition":
        end = "no way for a rejection, which completes the execution as blocked"
        yield warning(f"{written.path}.on_false", end)


def _enough_asked(path: str, step: ActionStep, requires: Requires) -> Findings:
    """A list that asks itself is all that asks, whatever is needed."""
    asked = sum(act.type == APPROVAL for act in step.execute)
    needed = max(requires.approvals or 0, len(requires.roles))
    if 0 < asked < needed:
        missing = "others must add what is missing"
        yield warning(path, f"{needed} approvals are needed, the list asks for {asked}: {missing}")
