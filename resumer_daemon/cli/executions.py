"""`list` and `show`: what is paused and why, and one execution's whole story."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.store import desk

COLOURS = {
    "completed": "green",
    "allowed": "green",
    "paused": "yellow",
    "pending": "cyan",
    "failed": "red",
    "blocked": "red",
    "cancelled": "dim",
}


def list_(
    status: Annotated[str | None, typer.Option(help="Only these, such as paused.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List executions.

    [dim]Example: resumer-daemon list --status paused[/]
    """

    async def work() -> list[dict[str, Any]]:
        async with opened(database_url) as session:
            return await desk.list_executions(session, status, limit)

    rows = run(work())
    print_json(rows) if as_json else console.print(listed(rows))


def show(
    execution: Annotated[str, typer.Argument(help="The execution's id or execution_id.")],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one execution: steps, pauses, approvals and what moved it."""

    async def work() -> dict[str, Any]:
        async with opened(database_url) as session:
            return await desk.show_execution(session, execution)

    found = run(work())
    print_json(found) if as_json else print_story(found)


def listed(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return executions as a table."""
    table = Table(box=None)
    for name in ("execution", "workflow", "status", "result", "waits for", "since"):
        table.add_column(name, no_wrap=name == "execution", overflow="fold")
    for row in rows:
        table.add_row(
            escape(row["execution_id"]),
            escape(row["workflow"] or ""),
            coloured(row["status"]),
            coloured(row["result"]),
            escape(_waits(row)),
            ago(row["paused_at"]),
        )
    return table


def _waits(row: Mapping[str, Any]) -> str:
    if row["error"]:
        return str(row["error"])
    if row["paused_for"] is None:
        return ""
    asked = ", ".join(row["asked"] or ())
    return f"{row['paused_for']} at {row['paused_at_step']}" + (f": {asked}" if asked else "")


def print_story(found: Mapping[str, Any]) -> None:
    """Print one execution's story, in the order in which it happened."""
    result = f" {coloured(found['result'])}" if found["result"] else ""
    console.print(
        f"[bold]{escape(found['execution_id'])}[/] {escape(str(found['workflow']))}:"
        f" {coloured(found['status'])}{result}",
        highlight=False,
    )
    if found["error"]:
        console.print(f"  [red]{escape(found['error'])}[/]", highlight=False)
    console.print(steps_table(found["steps"]))
    for approval in found["approvals"]:
        reason = f" ({escape(approval['decision_reason'])})" if approval["decision_reason"] else ""
        console.print(
            f"  approval {approval['request_id']} by {escape(approval['role'] or 'anybody')}:"
            f" {coloured(approval['status'])}{reason}",
            highlight=False,
        )
    for request in found["requests"]:
        said = f" {escape(request['decision'])}" if request["decision"] else ""
        console.print(
            f"  request {request['id']} {request['kind']}{said}: {request['outcome'] or 'open'}",
            highlight=False,
        )


def steps_table(steps: Iterable[Mapping[str, Any]]) -> Table:
    """Return step records as a table."""
    table = Table("  step", "type", "status", "reason", box=None)
    for step in steps:
        why = step["error"] or step["reason"] or ""
        table.add_row(
            f"  {escape(step['step'])}", step["type"], coloured(step["status"]), escape(why)
        )
    return table


def coloured(word: str | None) -> str:
    """Return a status or result in its colour."""
    if not word:
        return ""
    colour = COLOURS.get(word)
    return f"[{colour}]{escape(word)}[/]" if colour else escape(word)


def ago(moment: datetime | None) -> str:
    """Return how long ago a moment is, in one unit."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit} ago"
    return f"{max(seconds, 0):.1f}s ago"
