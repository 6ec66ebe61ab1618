"""`check-definition`: what is wrong with definitions, before an execution comes there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from resumer_daemon.cli.checked import Checked, as_json, print_checked, read_checked
from resumer_daemon.cli.common import REFUSED, AsJson, DatabaseUrl, opened, print_json, run
from resumer_daemon.store.snapshot import paused_places, snapshot

Files = Annotated[
    list[Path],
    typer.Argument(help="Definitions, as JSON.", exists=True, dir_okay=False, metavar="FILE..."),
]
AgainstPaused = Annotated[
    bool,
    typer.Option(
        "--against-paused", help="Also list paused executions whose place is not in it any more."
    ),
]


def check_definition(
    files: Files,
    against_paused: AgainstPaused = False,
    database_url: DatabaseUrl = None,
    json: AsJson = False,
) -> None:
    """Check definitions; exit with 1 where an execution would fail.

    [dim]Example: resumer-daemon check-definition examples/*.json[/]
    """
    checked = [read_checked(file) for file in files]
    if against_paused:
        checked = run(_compared(checked, database_url))
    if json:
        print_json([as_json(each) for each in checked])
    else:
        print_checked(checked)
    if any(each.fails for each in checked):
        raise typer.Exit(REFUSED)


async def _compared(checked: Sequence[Checked], url: str | None) -> list[Checked]:
    async with opened(url) as session, snapshot(session):
        return [
            each.against(await paused_places(session, each.workflow)) if each.workflow else each
            for each in checked
        ]
