"""`list`: what is paused, since when and why; once, or live."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

import typer
from rich.live import Live
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
from resumer_daemon.cli.options import OlderThan, PausedFor, Workflow, duration
from resumer_daemon.cli.plain import escape
from resumer_daemon.cli.shown import ago, coloured, table
from resumer_daemon.store import queries
from resumer_daemon.store.queries import Filter

LOOKED = 1.0  # seconds between two looks of the live view

Status = Literal["pending", "running", "waiting", "paused", "completed", "failed", "cancelled"]


def list_(
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    workflow: Workflow = None,
    reason: PausedFor = None,
    role: Annotated[str | None, typer.Option(help="Only what waits for this role.")] = None,
    older_than: OlderThan = None,
    sort: Annotated[queries.Sort, typer.Option(help="By what to sort.")] = "started",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first.

    [dim]Example: resumer-daemon list --status paused --older-than 2h --sort paused --watch[/]
    """
    if watch and as_json:
        fail("--watch is for people, --json for programs", USAGE)
    wanted = Filter(status, workflow, reason, role, duration(older_than), sort, limit)
    if watch:
        run(_watch(wanted, database_url))
        return

    async def work() -> list[dict[str, Any]]:
        async with opened(database_url, reads=True) as session:
            return await queries.list_executions(session, wanted)

    rows = run(work())
    print_json(rows) if as_json else console.print(listed(rows))


async def _watch(wanted: Filter, url: str | None) -> None:
    """Show the list until Ctrl-C, which is its end and no failure."""
    with suppress(asyncio.CancelledError), Live(console=console, auto_refresh=False) as live:
        async with opened(url, reads=True) as session:
            while True:
                rows = await queries.list_executions(session, wanted)
                live.update(listed(rows), refresh=True)
                await asyncio.sleep(LOOKED)


def listed(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return executions as a table."""
    made = table("execution", "workflow", "status", "result", "waits for", "since")
    for row in rows:
        made.add_row(
            escape(row["execution_id"]),
            escape(row["workflow"] or ""),
            coloured(row["status"]),
            coloured(row["result"]),
            escape(_waits(row)),
            ago(row["paused_at"]),
        )
    return made


def _waits(row: Mapping[str, Any]) -> str:
    if row["error"]:
        return str(row["error"])
    if row["paused_for"] is None:
        return ""
    whom = ", ".join(row["asked"] or ()) or row["event"] or row["held_by"] or row["cause"]
    return f"{row['paused_for']} at {row['paused_at_step']}" + (f": {whom}" if whom else "")
