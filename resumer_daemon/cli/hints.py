"""Refusals of the SQL functions, in the words of the command line."""

import re
from collections.abc import Mapping
from shlex import quote
from typing import Final

_HINTS: Final[Mapping[str, str]] = {
    "SELECT id, execution_id, status FROM workflow_executions": "resumer-daemon list",
    "SELECT request_id, status FROM approval_requests WHERE status = 'pending'": (
        "resumer-daemon list --paused-for approval_required"
    ),
    "SELECT * FROM resumer.holds WHERE released_at IS NULL": "resumer-daemon stats",
    "SELECT key, path, status FROM resumer.effects WHERE execution_id = ...": (
        "resumer-daemon show {key}"
    ),
    "Only incidents can be retried. Use resumer.resume for a pause.": (
        "Only incidents can be retried. `resumer-daemon explain {key}` prints what moves it."
    ),
    "look at it, then: SELECT resumer.retry(...)": (
        "resumer-daemon show {key}\nresumer-daemon retry {key}"
    ),
    "SELECT resumer.resume(...) ends it": "`resumer-daemon resume {key}` ends it",
    "it is pause_number in resumer.status, resumer.explain, resumer.inbox and resume-options,"
    " and `resumer-daemon explain` prints it: pause_number => N, or --pause N": (
        "--pause N, with the number that `resumer-daemon explain {key}` prints"
    ),
    "Repeat with force when resumer.status shows a pause_number.": (
        "Repeat with --force when `resumer-daemon explain {key}` prints the number of the pause."
    ),
    "'*' holds every workflow.": "--all holds every workflow.",
}
"""By hint of a function: the hint of the command."""

_OPTIONS: Final[Mapping[str, str]] = {
    "actor": "--as",
    "force": "--force",
    "organization_id": "--organization",
    "pause_number": "--pause",
    "per_second": "--per-second",
    "reason": "--reason",
}
"""By parameter of a function: the option of the command."""

_PARAMETER: Final = re.compile(rf"({'|'.join(_OPTIONS)}) => ('[^']*'|\w+|\.\.\.)")
_EXPLAIN: Final = re.compile(r"SELECT resumer\.explain\('[^']*'\)")
_RELEASE: Final = re.compile(r"SELECT resumer\.release\('([^']*)'\)")
_SUBJECT: Final = re.compile(r"execution [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFUSED: Final = re.compile(r"is (\w+): (manual|retry|cancel|pause) is not possible")
_DONE: Final = {
    "manual": "resumed", "retry": "retried", "cancel": "cancelled", "pause": "paused"
}  # fmt: skip


def in_commands(message: str, key: str | None = None) -> str:
    """Return the message of a refusal with commands and options in place of SQL.

    `key` is the execution that was refused. The message names it in place of its id.
    """
    refusal, *hints = message.split("\n  ")
    if key is not None:
        refusal = _SUBJECT.sub(lambda _: key, refusal)
    refusal = _REFUSED.sub(lambda found: f"is {found[1]}, and cannot be {_DONE[found[2]]}", refusal)
    return "\n  ".join([refusal, *(_hint(hint, key) for hint in hints)])


def _hint(hint: str, key: str | None) -> str:
    named = "EXECUTION" if key is None else quote(key)
    if hint in _HINTS:
        return _HINTS[hint].replace("{key}", named).replace("\n", "\n  ")
    hint = _EXPLAIN.sub(lambda _: f"resumer-daemon explain {named}", hint)
    hint = _RELEASE.sub(lambda found: f"resumer-daemon release {_workflow(found[1])}", hint)
    return _PARAMETER.sub(lambda found: _option(found[1], found[2].strip("'")), hint)


def _workflow(name: str) -> str:
    return "--all" if name == "*" else f"--workflow {quote(name)}"


def _option(parameter: str, value: str) -> str:
    return _OPTIONS[parameter] + ("" if value == "true" else f" {value}")
