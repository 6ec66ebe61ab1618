"""`resume`, `retry`, `cancel`: what a person asks of an execution; each leaves one request."""

from typing import Annotated, Any, Literal

import typer

from resumer_daemon.cli.common import USAGE, DatabaseUrl, console, fail, opened, run
from resumer_daemon.store import desk
from resumer_daemon.workflow.values import dump, load

Key = Annotated[str, typer.Argument(help="The execution's id or execution_id.")]
Actor = Annotated[str | None, typer.Option("--as", help="Who asks; by default the database role.")]
Reason = Annotated[str | None, typer.Option(help="Why; it goes into the record.")]


def resume(
    execution: Key,
    data: Annotated[str, typer.Option(help="What the resume brings, as a JSON object.")] = "{}",
    force: Annotated[bool, typer.Option("--force", help="Though an approval is missing.")] = False,
    actor: Actor = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Resume a paused execution by hand.

    [dim]Example: resumer-daemon resume exec_5f0c77ab --force --as mia --reason "by phone"[/]
    """
    try:
        brought = dump(load(data))
    except ValueError as error:
        fail(f"the data is no JSON: {error}", USAGE)
    _ask(
        "ask_resume",
        database_url,
        key=execution,
        actor=actor,
        reason=reason,
        data=brought,
        force=force,
    )


def retry(
    execution: Key,
    from_step: Annotated[
        str | None, typer.Option(help="From this step, and not from where it stood.")
    ] = None,
    skip_effect: Annotated[
        str | None, typer.Option(help="Take the effect of this Idempotency-Key as done.")
    ] = None,
    actor: Actor = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Continue after an incident, from where the execution stood.

    [dim]Example: resumer-daemon retry exec_5f0c77ab --reason "definition corrected"[/]
    """
    _ask(
        "ask_retry",
        database_url,
        key=execution,
        actor=actor,
        reason=reason,
        from_step=from_step,
        skip_effect=skip_effect,
    )


def cancel(
    execution: Key, actor: Actor = None, reason: Reason = None, database_url: DatabaseUrl = None
) -> None:
    """End an execution that has not ended; it has no result.

    [dim]Example: resumer-daemon cancel exec_5f0c77ab --reason "order withdrawn"[/]
    """
    _ask("ask_cancel", database_url, key=execution, actor=actor, reason=reason)


def _ask(
    move: Literal["ask_resume", "ask_retry", "ask_cancel"], url: str | None, **facts: Any
) -> None:
    async def work() -> int:
        async with opened(url) as session:
            return await desk.ask(session, move, facts)

    console.print(
        f"{facts['key']}: {move.removeprefix('ask_')} is request {run(work())}", highlight=False
    )
