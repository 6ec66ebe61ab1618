"""Options that several commands share, each with one name and one meaning."""

from typing import Annotated, Literal

import typer

from resumer_daemon.cli.common import USAGE, fail
from resumer_daemon.durations import seconds
from resumer_daemon.workflow.values import Json, load

Reason = Literal[
    "approval_required", "waiting_for_event", "waiting_for_time", "manual", "incident"
]  # fmt: skip

Key = Annotated[str, typer.Argument(help="The execution's id or execution_id.")]
Workflow = Annotated[str | None, typer.Option(help="Only those of this workflow_id.")]
PausedFor = Annotated[Reason | None, typer.Option("--paused-for", help="Only what waits so.")]
OlderThan = Annotated[
    str | None, typer.Option("--older-than", help="Only what is paused for so long: 90s, 2h.")
]
Actor = Annotated[str | None, typer.Option("--as", help="Who asks; by default the database role.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it goes into the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and do nothing.")]


def duration(text: str | None) -> float | None:
    """Return the seconds of an option; what is no duration ends the command with code 2."""
    if text is None:
        return None
    given = seconds(text)
    if given is None:
        fail(f"not a duration: {text} (such as 90s, 2h, 1h30m)", USAGE)
    return given


def document(option: str, text: str) -> Json:
    """Return the JSON of an option; what is none ends the command with code 2."""
    try:
        return load(text)
    except ValueError as error:
        fail(f"{option} is {error}", USAGE)
