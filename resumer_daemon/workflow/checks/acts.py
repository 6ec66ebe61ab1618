"""The actions of a step: their types, and what each cannot do without."""

import re
from collections.abc import Iterator
from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.checks.sites import Site
from resumer_daemon.workflow.definition import Act, ActionStep, ExecuteStep
from resumer_daemon.workflow.reading import NotUnderstood, Reader
from resumer_daemon.workflow.references import REFERENCE
from resumer_daemon.workflow.spelling_acts import APPROVAL
from resumer_daemon.workflow.urls import NAMES_USER, is_url, names_user, refusal
from resumer_daemon.workflow.values import printed
from resumer_daemon.workflow.wording import shown

NOT_SENT: Final = frozenset({"CONNECT", "TRACE"})
"""Methods that no webhook has."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

NEEDED: Final = {
    "log": (),
    "notify": ("recipients",),
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
        if act.type == "webhook":
            yield from _address(path, act)
            yield from _method(path, act)
        if act.type == "notify" and not (act.params.get("message") or act.params.get("template")):
            yield error(f"{path}.message", "notify needs message or template")
        if act.type == APPROVAL:
            yield from _expiry(path, act)


def _address(path: str, act: Act) -> Findings:
    url = printed(act.params.get("url"))
    literal = REFERENCE.sub("", url)
    if names_user(literal):
        yield error(f"{path}.url", NAMES_USER)
    elif url and literal == url and not is_url(url):
        yield error(f"{path}.url", refusal(url))


def _method(path: str, act: Act) -> Findings:
    method = act.params.get("method")
    if method in (None, "") or (isinstance(method, str) and REFERENCE.search(method)):
        return
    is_token = isinstance(method, str) and _TOKEN.fullmatch(method) is not None
    if not is_token or printed(method).upper() in NOT_SENT:
        yield error(f"{path}.method", f"not a method that is sent: {shown(method)}")


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
