"""`start`: queue an execution of a workflow."""

from typing import Annotated

import typer

from resumer_daemon.cli.common import DatabaseUrl, console, opened, run
from resumer_daemon.errors import Refused
from resumer_daemon.store import desk
from resumer_daemon.workflow.values import load


def start(
    workflow: Annotated[str, typer.Argument(help="The workflow_id.")],
    payload: Annotated[str, typer.Option(help="The trigger payload, as JSON.")] = "{}",
    version: Annotated[str | None, typer.Option(help="By default the newest enabled one.")] = None,
    organization: Annotated[str | None, typer.Option(help="Where several have it.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Queue an execution; a daemon begins it.

    [dim]Example: resumer-daemon start high_value_order --payload '{"order": {"total": 12000}}'[/]
    """

    async def work() -> str:
        try:
            document = load(payload)
        except ValueError as error:
            raise Refused(f"the payload is no JSON: {error}") from error
        async with opened(database_url) as session:
            return await desk.start(session, workflow, document, version, organization)

    console.print(run(work()), highlight=False)
