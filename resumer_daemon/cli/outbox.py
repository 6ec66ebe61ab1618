"""`outbox list` and `outbox retry`: messages, and dead ones that are sent again."""

from typing import Annotated, Literal

import typer

from resumer_daemon.cli.common import (
    REFUSED,
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    fail,
    print_json,
    with_session,
)
from resumer_daemon.cli.output import TableColumn, cells, count, print_table
from resumer_daemon.store import outbox as store

outbox = typer.Typer(
    help="List messages, and send dead ones again.",
    no_args_is_help=True,
    add_completion=False,
)

COLUMNS = (
    TableColumn("key", key=True),
    TableColumn("execution", drop=4, key=True),
    TableColumn("kind", drop=2),
    TableColumn("state", drop=1),
    TableColumn("attempts", drop=3),
    TableColumn("why", text=True),
)

State = Literal["pending", "delivered", "dead"]


@outbox.command(name="list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only messages in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages listed, at most.")] = 50,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
) -> None:
    """List messages, oldest first.

    [dim]Example: resumer-daemon outbox list --state dead[/]
    """
    rows = with_session(
        database_url, lambda session: store.list_messages(session, state, limit), reads=True
    )
    if as_json:
        print_json(rows)
        return
    named = ("key", "execution", "kind", "state", "attempts", "error")
    print_table(console, COLUMNS, [cells(*(row[name] for name in named)) for row in rows])


@outbox.command()
def retry(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of dead messages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead messages.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Send dead messages again.

    Recipients that a message has reached do not get it twice.

    [dim]Example: resumer-daemon outbox retry --all[/]
    """
    if bool(keys) == everything:
        fail("name messages, or give --all", USAGE)

    due = with_session(
        database_url, lambda session: store.retry(session, None if everything else keys)
    )
    console.print(f"{count(len(due), 'message')} will be sent again.")
    if unknown := sorted(set(keys or ()) - set(due)):
        fail(f"not dead: {', '.join(unknown)}\n  resumer-daemon outbox list --state dead", REFUSED)
