"""`ledger` and `incidents`: what became of every request, and what waits for a person."""

from typing import Annotated, Any

import typer

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.cli.options import duration
from resumer_daemon.cli.shown import ago, cells, coloured, table
from resumer_daemon.engine.inputs import Kind, Settled
from resumer_daemon.store import queries
from resumer_daemon.store.queries import Entries

Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


def ledger(
    execution: Annotated[str | None, typer.Option(help="Only of this id or execution_id.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    outcome: Annotated[Settled | None, typer.Option(help="Only what became of it so.")] = None,
    since: Annotated[str | None, typer.Option(help="Only what is not older: 30m, 24h.")] = None,
    limit: Limit = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List decisions and all else that was asked for, with what became of each, newest first.

    [dim]Example: resumer-daemon ledger --outcome late --since 24h[/]
    """
    wanted = Entries(execution, kind, outcome, duration(since), limit)

    async def work() -> list[dict[str, Any]]:
        async with opened(database_url, reads=True) as session:
            return await queries.list_ledger(session, wanted)

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    heads = ("request", "execution", "what", "outcome", "asked", "took", "who", "why")
    made = table(*heads)
    for row in rows:
        said = f" {row['decision']}" if row["decision"] else ""
        took = "" if row["took"] is None else f"{row['took'].total_seconds():.3f}s"
        first = cells(row["request"], row["execution_key"], f"{row['kind']}{said}")
        last = cells(ago(row["requested_at"]), took, row["actor"], row["reason"])
        made.add_row(*first, coloured(row["outcome"]), *last)
    console.print(made)


def incidents(limit: Limit = 50, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List what waits for a person, with its remedy, the oldest first.

    [dim]Example: resumer-daemon incidents[/]
    """

    async def work() -> list[dict[str, Any]]:
        async with opened(database_url, reads=True) as session:
            return await queries.list_incidents(session, limit)

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    made = table("execution", "workflow", "step", "cause", "detail", "remedy", "since")
    for row in rows:
        named = ("execution_key", "workflow", "step_id", "cause", "detail", "remedy")
        made.add_row(*cells(*(row[name] for name in named)), ago(row["paused_at"]))
    console.print(made)
