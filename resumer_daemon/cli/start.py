"""`start` and `emit`: queue an execution of a workflow, write an event."""

from typing import Annotated
from uuid import UUID

import typer

from resumer_daemon.cli.common import DatabaseUrl, console, opened, run
from resumer_daemon.cli.options import document
from resumer_daemon.store import commands


def start(
    workflow: Annotated[str, typer.Argument(help="The workflow_id.")],
    payload: Annotated[str, typer.Option(help="The trigger payload, as JSON.")] = "{}",
    version: Annotated[str | None, typer.Option(help="By default the newest enabled one.")] = None,
    organization: Annotated[UUID | None, typer.Option(help="Where several have it.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Queue an execution; a daemon begins it.

    [dim]Example: resumer-daemon start high_value_order --payload '{"order": {"total": 12000}}'[/]
    """
    given = document("--payload", payload)

    async def work() -> str:
        async with opened(database_url) as session:
            return await commands.start(session, workflow, given, version, organization)

    console.print(run(work()), highlight=False)


def emit(
    event_type: Annotated[str, typer.Argument(help="Such as order.paid.")],
    payload: Annotated[str, typer.Option(help="The event's payload, as JSON.")] = "{}",
    organization: Annotated[UUID | None, typer.Option(help="Where the service has them.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write an event; executions that wait for it resume.

    [dim]Example: resumer-daemon emit order.paid --payload '{"order": {"id": "A-1"}}'[/]
    """
    given = document("--payload", payload)

    async def work() -> str:
        async with opened(database_url) as session:
            return await commands.emit(session, event_type, given, organization)

    console.print(run(work()), highlight=False)
