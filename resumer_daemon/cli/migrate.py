"""`migrate up|down|status`: bring a database to this version, and back."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import typer
from rich.table import Table

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, print_json, run, settings
from resumer_daemon.store import migrate as runner

migrate = typer.Typer(help="Bring a database to this version, and back.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL, change nothing.")]


@migrate.command()
def up(database_url: DatabaseUrl = None, dry_run: DryRun = False) -> None:
    """Apply what is missing.

    [dim]Example: resumer-daemon migrate up --dry-run[/]
    """
    _change("up", runner.up, database_url, dry_run)


@migrate.command()
def down(database_url: DatabaseUrl = None, dry_run: DryRun = False) -> None:
    """Undo everything: tables that `up` created go, with their data; the service's stay."""
    _change("down", runner.down, database_url, dry_run)


@migrate.command()
def status(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show which migrations are applied."""
    entries = run(runner.status(settings(database_url=database_url).url))
    if as_json:
        print_json([{"name": e.name, "applied_at": e.applied_at} for e in entries])
        return
    table = Table("migration", "applied", box=None)
    for entry in entries:
        applied = (
            f"{entry.applied_at:%Y-%m-%d %H:%M:%S %Z}" if entry.applied_at else "[yellow]no[/]"
        )
        table.add_row(entry.name, applied)
    console.print(table)


def _change(
    direction: Literal["up", "down"],
    work: Callable[[str, str], Awaitable[list[str]]],
    database_url: str | None,
    dry_run: bool,
) -> None:
    chosen = settings(database_url=database_url)
    if dry_run:
        for statement in run(runner.pending(chosen.url, direction, chosen.service_schema)):
            typer.echo(statement)
        return
    names = run(_await(work(chosen.url, chosen.service_schema)))
    for name in names:
        console.print(f"[green]{direction}[/] {name}")
    if not names:
        console.print("nothing to do")


async def _await(work: Awaitable[list[str]]) -> list[str]:
    return await work
