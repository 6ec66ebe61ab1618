"""Shared by all commands: options, settings, a session, errors and exit codes."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import cache
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import psycopg
import typer
import uvloop
from psycopg.conninfo import conninfo_to_dict

from resumer_daemon.cli.hints import in_commands
from resumer_daemon.cli.output import PlainConsole, escape
from resumer_daemon.database_address import DatabaseAddress, read_address
from resumer_daemon.durations import parse_duration
from resumer_daemon.engine.vocabulary import PauseReason
from resumer_daemon.errors import OperationRefused, ResumerError, SettingsError, Unreachable
from resumer_daemon.store.session import Database, Session, as_text
from resumer_daemon.workflow.values import Json, dump, load

if TYPE_CHECKING:
    from resumer_daemon.config import Settings

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3

READER, OPERATOR = "resumer_reader", "resumer_operator"
OWNER = "Connect as the role that ran `resumer-daemon migrate up`, or as a member of resumer_owner."

console = PlainConsole()
errors = PlainConsole(stderr=True)

DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", help="Overrides RESUMER_DATABASE_URL.", show_default=False),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

T = TypeVar("T")

# JSON does not escape these controls: C1, direction marks and invisible characters
_ESCAPED = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work of a command. Turn an error into one message and an exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except SettingsError as error:
        fail(error, USAGE)
    except Unreachable as error:
        fail(error, UNREACHABLE)
    except psycopg.OperationalError as error:
        fail(error, UNREACHABLE)
    except psycopg.Error as error:
        fail(_format_database_error(error), REFUSED)
    except OperationRefused as error:
        fail(in_commands(str(error)), REFUSED)
    except ResumerError as error:
        fail(error, REFUSED)


def _format_database_error(error: psycopg.Error) -> str:
    """Return the message, detail and hint of the server, and the grant of a missing right."""
    diag = error.diag
    lines = [diag.message_primary or str(error), diag.message_detail, diag.message_hint]
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        lines += getattr(error, "__notes__", [OWNER])
    return "\n  ".join(filter(None, lines))


@contextmanager
def needs_role(url: str, *roles: str) -> Iterator[None]:
    """Name the GRANT in the error of a statement inside that lacks a right. No role: the owner."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        if not roles:
            raise
        login = conninfo_to_dict(url).get("user") or os.environ.get("PGUSER") or getuser()
        quoted = psycopg.sql.Identifier(str(login)).as_string()
        error.add_note(
            "Run `resumer-daemon migrate grants` once, then as the same role:"
            f" GRANT {', '.join(roles)} TO {quoted};"
        )
        raise


def fail(error: object, code: int) -> NoReturn:
    """Print an error and end the command with an exit code."""
    errors.print(f"[red]error:[/] {in_lines(error)}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def in_lines(text: object) -> str:
    """Return a text of several lines, escaped. libpq indents lines with a tab."""
    return "\n".join(escape(line) for line in str(text).strip().expandtabs(2).split("\n"))


def settings(*, warn: bool = True, **flags: Any) -> "Settings":
    """Return the settings; flags override the environment. Invalid settings end with code 2.

    `warn`: warn of variables that name no setting, because a misspelt setting is not in force.
    """
    from resumer_daemon.config import load_settings

    if warn:
        _warn_of_unknown_variables()
    try:
        return load_settings(**flags)
    except SettingsError as error:
        fail(error, USAGE)


@cache
def _warn_of_unknown_variables() -> None:
    """Print the warnings once, because a command may read its settings several times."""
    from resumer_daemon.config import unknown_variables

    for name, nearest in unknown_variables().items():
        hint = f": did you mean {nearest}?" if nearest else ""
        line = escape(f"{name} is not a setting{hint}")
        errors.print(f"[yellow]warning:[/] {line}", highlight=False, soft_wrap=True)


def database_address(url: str | None) -> DatabaseAddress:
    """Return the address of the database. Invalid settings end the command with code 2."""
    return read_address(url) or settings(database_url=url).address


@asynccontextmanager
async def open_session(
    url: str | None, *, reads: bool = False, needs: Sequence[str] | None = None
) -> AsyncIterator[Session]:
    """Open a session for one command. A session that only `reads` may be on a standby.

    `needs`: the roles whose rights the command needs, and none if only the owner has them. Without
    it, a command that reads needs READER, and any other OPERATOR.
    """
    address = database_address(url)
    database = Database(address.url, address.service_schema, address.service_timezone)
    usual = [READER if reads else OPERATOR]
    with needs_role(address.url, *(usual if needs is None else needs)):
        session = await database.session("resumer-cli", reads=reads)
        as_text(session.connection)
        async with session.connection:
            yield session


def with_session(
    url: str | None,
    work: Callable[[Session], Coroutine[Any, Any, T]],
    *,
    reads: bool = False,
    needs: Sequence[str] | None = None,
) -> T:
    """Do the work of a command on a session. Errors end the command as in `run`."""

    async def opened() -> T:
        async with open_session(url, reads=reads, needs=needs) as session:
            return await work(session)

    return run(opened())


def print_json(value: Json) -> None:
    """Print a value as JSON, times and ids as text."""
    sys.stdout.write(_ESCAPED.sub(_escaped, dump(_plain(value))) + "\n")


def _escaped(found: re.Match[str]) -> str:
    """Return the JSON escape of a character that a terminal would act on."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _plain(value: Any) -> Json:
    match value:
        case dict():
            return {str(name): _plain(member) for name, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case None | bool() | int() | str():
            return value
        case timedelta():
            return Decimal(str(value.total_seconds()))
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return value if type(value).__name__ == "Decimal" else str(value)


Key = Annotated[str, typer.Argument(help="The id or execution_id.")]
Workflow = Annotated[str | None, typer.Option(help="Only executions of this workflow_id.")]
PausedFor = Annotated[
    PauseReason | None, typer.Option("--paused-for", help="Only executions paused for this reason.")
]
OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", help="Only executions paused for at least this long: 90s, 2h."),
]
Actor = Annotated[
    str | None, typer.Option("--as", help="Your name in the record. Default: the database role.")
]
Why = Annotated[str | None, typer.Option("--reason", help="The reason in the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the executions, and change nothing.")]


def duration(text: str | None) -> float | None:
    """Return the seconds of an option. An invalid duration ends the command with code 2."""
    if text is None:
        return None
    given = parse_duration(text)
    if given is None:
        fail(f"not a duration: {text} (such as 90s, 2h, 1h30m)", USAGE)
    return given


def document(option: str, text: str) -> Json:
    """Return the JSON of an option, or of the file that it names as `@FILE`.

    A file without `@` is read too, if the text is not JSON. Anything else ends the command with
    code 2.
    """
    if text.startswith("@"):
        return _read_document(option, Path(text[1:]))
    try:
        return load(text)
    except ValueError as error:
        if text.strip() and _is_file(Path(text)):
            return _read_document(option, Path(text))
        if re.match(r"[A-Za-z./~]", text):
            fail(f"{option} is neither JSON nor a file that exists: {error}", USAGE)
        fail(f"{option} is {error}", USAGE)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that is too long for a path
        return False


def _read_document(option: str, path: Path) -> Json:
    try:
        return load(path.read_bytes().decode())
    except OSError as error:
        fail(f"{option}: cannot read {path}: {error.strerror}", USAGE)
    except ValueError as error:
        fail(f"{option}: {path} is {error}", USAGE)
