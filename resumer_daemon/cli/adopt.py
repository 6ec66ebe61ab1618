"""`adopt`: take over what the service had blocked before we were there."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from resumer_daemon.cli.common import (
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    fail,
    opened,
    print_json,
    run,
)
from resumer_daemon.cli.plain import escape
from resumer_daemon.durations import seconds
from resumer_daemon.store import commands

SHOWN = 20


def adopt(
    since: Annotated[
        str, typer.Option(help="Blocked since: `2d`, `90m`, or a time such as `2026-01-31T09:30`.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only shown.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="So many in one transaction.")] = 500,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make pauses of executions that the service blocked for an approval before we were there.

    Without `--yes` it only shows them. A daemon decides each: who was not asked stays blocked.

    [dim]Example: resumer-daemon adopt --since 2026-01-31 --yes[/]
    """
    begin = _time(since)

    async def work() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        async with opened(database_url) as session:
            async for found in commands.blocked_since(session, begin, batch=batch):
                if yes:
                    await commands.request_adoption(session, found)
                rows += found
        return rows

    rows = run(work())
    if as_json:
        print_json({"asked": yes, "executions": rows})
        return
    if rows:
        console.print(_listed(rows[:SHOWN]))
    done = "are looked at by a daemon now" if yes else "would be looked at; do it with --yes"
    console.print(f"{len(rows)} blocked executions {done}", highlight=False)


def _time(text: str) -> datetime | timedelta:
    """Read a time, or how long ago it was by the clock of the database."""
    ago = seconds(text)
    try:
        given = datetime.fromisoformat(text) if ago is None else timedelta(seconds=ago)
    except ValueError:
        fail(f"--since is no time: {text!r} (such as 2d, or 2026-01-31T09:30 in UTC)", USAGE)
    if isinstance(given, timedelta):
        return given
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _listed(rows: list[dict[str, Any]]) -> Table:
    table = Table("execution", "workflow", "blocked at", "pending", "decided", box=None)
    for row in rows:
        table.add_row(
            escape(row["key"]), escape(row["workflow"] or ""),
            str(row["completed_at"] or row["started_at"]), str(row["pending"]), str(row["decided"]),
        )  # fmt: skip
    return table
