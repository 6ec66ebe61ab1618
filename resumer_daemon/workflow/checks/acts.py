"""The actions of a step: their types, and what each cannot do without."""

from collections.abc import Iterator
from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.sites import Site
from resumer_daemon.workflow.definition import Act, ActionStep, ExecuteStep
from resumer_daemon.workflow.reading import NotUnderstood, Reader
from resumer_daemon.workflow.references import REFERENCE
from resumer_daemon.workflow.spelling_acts import APPROVAL
from resumer_daemon.workflow.urls import NAMES_USER, names_user

NEEDED: Final = {
    "log": (),
    "notify": ("recipients", "message"),
    "webhook": ("url",),
    "create_record": ("entity",),
    "update_record": ("entity", "entity_id"),
    "create_approval_request": ("entity",),
}
"""The types of actions, and what each cannot do without."""


def check_acts(site: Site) -> Findings:
    """Check the `execute` list of a step."""
    for path, act in acts_of(site):
        if act.type not in NEEDED:
            severity = warning if act.continue_on_error else error
            known = act.type or "no type is given"
            yield severity(f"{path}.type", f"unknown action: {known}")
            continue
        for name in NEEDED[act.type]:
            if act.params.get(name) in (None, "", []):
                yield error(f"{path}.{name}", f"{act.type} needs {name}")
        url = act.params.get("url")
        if act.type == "webhook" and isinstance(url, str) and names_user(REFERENCE.sub("", url)):
            yield error(f"{path}.url", NAMES_USER)
        if act.type == APPROVAL:
            yield from _expiry(path, act)


def _expiry(path: str, act: Act) -> Findings:
    try:
        Reader(dict(act.params), path).delay("expires_in")
    except NotUnderstood as wrong:
        path, _, message = str(wrong).partition(": ")
        yield error(path, message)


def acts_of(site: Site) -> Iterator[tuple[str, Act]]:
    """Return each action of a step, with its path."""
    if not isinstance(site.step, ActionStep | ExecuteStep):
        return
    holder = site.written
    if isinstance(holder.value("action"), dict):
        holder = holder.inner("action", beneath=holder)
    # The list of one that an `action` with a `config` is stands on the step itself.
    paths = [path for path, _ in holder.members("execute")] or [holder.path]
    yield from zip(paths, site.step.execute, strict=False)
