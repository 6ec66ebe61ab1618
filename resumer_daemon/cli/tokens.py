"""`token create`, `token list` and `token revoke`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from resumer_daemon.api.auth import Permission
from resumer_daemon.cli.common import (
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    errors,
    fail,
    print_json,
    with_session,
)
from resumer_daemon.cli.output import TableColumn, escape, print_table
from resumer_daemon.durations import parse_duration
from resumer_daemon.errors import OperationRefused
from resumer_daemon.store import tokens
from resumer_daemon.store.session import Session

token = typer.Typer(
    help="Create, list and revoke tokens for HTTP.", no_args_is_help=True, add_completion=False
)

Name = Annotated[str, typer.Argument(help="The name of the token. It is the actor in the record.")]


COLUMNS = (
    TableColumn("name", key=True),
    TableColumn("state"),
    TableColumn("may", text=True),
    TableColumn("organisation", drop=1),
    TableColumn("expires", drop=2),
    TableColumn("last used", drop=3),
)


@token.command()
def create(
    name: Name,
    may: Annotated[list[Permission], typer.Option(help="A permission of the token. Repeatable.")],
    organization: Annotated[
        UUID | None, typer.Option(help="The organization that the token is limited to.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--every-organization", help="Allow every organization.")
    ] = False,
    expires_in: Annotated[
        str, typer.Option(help="A duration such as `720h`, or `never`.")
    ] = "2160h",
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a token and print it.

    The token is printed only once.

    [dim]Example: resumer-daemon token create night-shift --may read --may resume[/]
    """
    if not name.strip():
        fail("a token needs a name: the name is the actor in the record", USAGE)
    lasts = None if expires_in == "never" else parse_duration(expires_in)
    if lasts is None and expires_in != "never":
        fail(f"not a duration: {expires_in} (such as 720h, or never)", USAGE)
    permissions = [permission.scope for permission in dict.fromkeys(may)]

    async def create_it(session: Session) -> tuple[str, dict[str, Any]]:
        several = "organization" in session.features
        if several and (organization is None) is not everywhere:
            raise OperationRefused(
                "name an organization with --organization, or give --every-organization"
            )
        return await tokens.create(session, name, permissions, organization, lasts)

    made, kept = with_session(database_url, create_it, needs=())
    if as_json:
        print_json({**kept, "token": made})
        return
    until = "for ever" if lasts is None else f"until {kept['expires_at']:%Y-%m-%d %H:%M} UTC"
    line = f"{name} may {', '.join(may)} {until}. Store the token now, it is not shown again:"
    # so that $(...) takes the token alone
    errors.print(escape(line), highlight=False, soft_wrap=True)
    typer.echo(made)


@token.command(name="list")
def list_(as_json: AsJson = False, database_url: DatabaseUrl = None) -> None:
    """List tokens and their permissions.

    [dim]Example: resumer-daemon token list --json[/]
    """
    rows = with_session(database_url, tokens.list_tokens, reads=True, needs=())
    if as_json:
        print_json(rows)
        return
    table = []
    for row in rows:
        may = " ".join(p.removeprefix("execution:") for p in row["permissions"])
        times = (row["expires_at"], row["last_used_at"])
        organization = str(row["organization"] or "every")
        shown = (row["name"], row["state"], may, organization, *map(_minute, times))
        table.append([escape(cell) for cell in shown])
    print_table(console, COLUMNS, table)


@token.command()
def revoke(name: Name, database_url: DatabaseUrl = None) -> None:
    """Revoke a token.

    The token is invalid from now on.

    [dim]Example: resumer-daemon token revoke night-shift[/]
    """
    with_session(database_url, lambda session: tokens.revoke(session, name), needs=())
    console.print(f"{escape(name)}: revoked", highlight=False)


def _minute(at: datetime | str | None) -> str:
    """Return a moment. One that Python cannot hold, such as `infinity`, is a text already."""
    if at is None or isinstance(at, str):
        return at or "never"
    return f"{at:%Y-%m-%d %H:%M}"
