"""`stats`: how it goes, in numbers."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.cli.shown import ago, cells, coloured, lasting
from resumer_daemon.store import queries


def stats(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what stands where, what is late, what was settled in the last hour, and who works.

    [dim]Example: resumer-daemon stats --json[/]
    """

    async def work() -> dict[str, Any]:
        async with opened(database_url, reads=True) as session:
            return await queries.read_stats(session)

    found = run(work())
    print_json(found) if as_json else _print_stats(found)


def _print_stats(found: Mapping[str, Any]) -> None:
    standing = ", ".join(f"{n} {coloured(s)}" for s, n in sorted(found["executions"].items()))
    lag = found["lag"]
    late = f"{lag['number']} due" + (f", the oldest {ago(lag['oldest'])}" if lag["number"] else "")
    messages = ", ".join(f"{n} {s}" for s, n in sorted(found["messages"].items()))
    table = Table("", "", box=None, show_header=False)
    table.add_row("executions", standing or "none that has not ended")
    for pause in found["paused"]:
        table.add_row(
            f"  {pause['reason']}", f"{pause['number']}, the oldest {ago(pause['oldest'])}"
        )
    table.add_row("requests", late)
    table.add_row("daemons", f"{found['daemons']} connected, {found['leases']} leases held")
    table.add_row("messages", messages or "all delivered")
    for hold in found["holds"]:
        why = f" ({hold['reason']})" if hold["reason"] else ""
        until = f", ends {ago(hold['until'])}" if hold["until"] else ""
        said = f"{hold['workflow']} by {hold['actor']}{why}, {ago(hold['held_at'])}{until}"
        table.add_row("on hold", *cells(said))
    console.print(table)
    settled = Table("last hour", "outcome", "number", "median", box=None)
    for row in found["last_hour"]:
        median = lasting(float(row["median_seconds"]))
        settled.add_row(row["kind"], coloured(row["outcome"]), str(row["number"]), median)
    if found["last_hour"]:
        console.print(settled)
