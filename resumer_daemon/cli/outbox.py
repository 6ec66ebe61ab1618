"""`outbox list`, `outbox retry`: the messages that wait, and those that were given up."""

from typing import Annotated, Any, Literal

import typer

from resumer_daemon.cli.common import (
    REFUSED,
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    fail,
    open_session,
    print_json,
    run,
)
from resumer_daemon.cli.output import TableColumn, cells, print_table
from resumer_daemon.store import outbox as store

outbox = typer.Typer(
    help="List notifications, and retry failed ones.",
    no_args_is_help=True,
    add_completion=False,
)

COLUMNS = (
    TableColumn("key"),
    TableColumn("execution", drop=4),
    TableColumn("kind", drop=2),
    TableColumn("state"),
    TableColumn("attempts", drop=3),
    TableColumn("why", drop=1, text=True),
)

State = Literal["pending", "delivered", "dead"]


@outbox.command(name="list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
) -> None:
    """List messages, the oldest first.

    [dim]Example: resumer-daemon outbox list --state dead[/]
    """

    async def work() -> list[dict[str, Any]]:
        async with open_session(database_url, reads=True) as session:
            return await store.list_messages(session, state, limit)

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    named = ("key", "execution", "kind", "state", "attempts", "error")
    print_table(console, COLUMNS, [cells(*(row[name] for name in named)) for row in rows])


@outbox.command()
def retry(
    keys: Annotated[list[str] | None, typer.Argument(help="The keys of dead messages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Try dead messages again. Whom they have reached is not told twice.

    [dim]Example: resumer-daemon outbox retry --all[/]
    """
    if bool(keys) == everything:
        fail("name the messages, or say --all", USAGE)

    async def work() -> list[str]:
        async with open_session(database_url) as session:
            return await store.retry(session, None if everything else keys)

    due = run(work())
    console.print(f"{len(due)} messages are due again")
    if unknown := sorted(set(keys or ()) - set(due)):
        fail(f"not dead: {', '.join(unknown)}\n  resumer-daemon outbox list --state dead", REFUSED)
