"""`pause`, `resume`, `retry`, `cancel`: what a person asks of executions, one request each."""

from typing import Annotated

import typer

from resumer_daemon.cli.bulk import Choice, move
from resumer_daemon.cli.common import USAGE, AsJson, DatabaseUrl, fail
from resumer_daemon.cli.options import (
    Actor,
    DryRun,
    OlderThan,
    PausedFor,
    Why,
    Workflow,
    Yes,
    document,
    duration,
)
from resumer_daemon.workflow.values import dump

Keys = Annotated[list[str] | None, typer.Argument(help="Their ids or execution_ids.")]
PauseNumber = Annotated[
    int | None,
    typer.Option("--pause", help="The pause that you looked at, of one execution that you name."),
]
Everything = Annotated[bool, typer.Option("--all", help="All that stand so.")]


def pause(
    executions: Keys = None,
    workflow: Workflow = None,
    everything: Everything = False,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Pause executions before their next step, or hold them where they are paused already.

    Decisions that come meanwhile are kept, and count after the resume. To stop a whole workflow,
    with all that starts later: `hold`.

    [dim]Example: resumer-daemon pause exec_5f0c77ab --as mia --reason "stock count"[/]
    """
    choice = Choice(executions, workflow, everything, ("pending", "running", "paused"))
    facts = {"actor": actor, "reason": reason}
    move("ask_pause", choice, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def resume(
    executions: Keys = None,
    workflow: Workflow = None,
    paused_for: PausedFor = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    data: Annotated[str, typer.Option(help="What the resume brings, as a JSON object.")] = "{}",
    force: Annotated[bool, typer.Option("--force", help="Though an approval is missing.")] = False,
    pause_number: PauseNumber = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Resume paused executions by hand. Chosen are, unless told, those that are held by hand.

    Over a missing approval it needs `--force`, and `--pause` with the number that `explain` prints.
    Executions that are chosen by a filter are resumed from the pause that the choice has shown.

    [dim]Example: resumer-daemon resume exec_5f0c77ab --force --pause 2 --as mia --reason phone[/]
    """
    brought = document("--data", data)
    if not isinstance(brought, dict):
        fail("--data is no JSON object, such as '{\"counted\": 7}'", USAGE)
    waits, seconds = paused_for or "manual", duration(older_than)
    choice = Choice(
        executions, workflow, everything, ("paused",), waits, seconds, pause_number=pause_number
    )
    facts = {"actor": actor, "reason": reason, "data": dump(brought), "force": force}
    move("ask_resume", choice, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def retry(
    executions: Keys = None,
    workflow: Workflow = None,
    everything: Everything = False,
    from_step: Annotated[
        str | None, typer.Option(help="From this step, and not from where it stood.")
    ] = None,
    skip_effect: Annotated[
        str | None, typer.Option(help="Take the effect of this Idempotency-Key as done.")
    ] = None,
    pause_number: PauseNumber = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Continue after an incident, from where the execution stood.

    [dim]Example: resumer-daemon retry exec_5f0c77ab --reason "definition corrected"[/]
    """
    choice = Choice(
        executions, workflow, everything, ("paused",), "incident", pause_number=pause_number
    )
    facts = {
        "actor": actor, "reason": reason, "from_step": from_step, "skip_effect": skip_effect,
    }  # fmt: skip
    move("ask_retry", choice, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def cancel(
    executions: Keys = None,
    workflow: Workflow = None,
    paused_for: PausedFor = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End an execution that has not ended; it has no result. Chosen are those that are paused.

    [dim]Example: resumer-daemon cancel --workflow old_flow --older-than 720h --dry-run[/]
    """
    seconds = duration(older_than)
    choice = Choice(executions, workflow, everything, ("paused",), paused_for, seconds)
    facts = {"actor": actor, "reason": reason}
    move("ask_cancel", choice, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)
