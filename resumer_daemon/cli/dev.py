"""`dev`: PostgreSQL, migrations, a daemon, and one workflow taken through all of it."""

import asyncio
import json
import socket
from collections.abc import Awaitable
from importlib.resources import files
from pathlib import Path
from sysconfig import get_path
from typing import Annotated

import psycopg
import typer
from rich.rule import Rule

from resumer_daemon.cli.common import REFUSED, console, fail, run, settings
from resumer_daemon.cli.plain import escape
from resumer_daemon.cli.story import Story
from resumer_daemon.config import Settings
from resumer_daemon.daemon.daemon import Daemon
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store import commands, migrate, queries
from resumer_daemon.store.session import Database, Session
from resumer_daemon.store.statements import load
from resumer_daemon.telemetry import logs
from resumer_daemon.workflow.values import Json

DATABASE = "resumer"
EXAMPLE = "high_value_order_approval"


def dev(
    once: Annotated[bool, typer.Option("--once", help="End after the story.")] = False,
    data: Annotated[Path, typer.Option(help="Where the database is kept.")] = Path(".resumer"),
    port: Annotated[int, typer.Option(help="The database's port; 0 takes any.")] = 0,
    http_port: Annotated[int, typer.Option(help="The daemon's port; 0 takes any.")] = 0,
) -> None:
    """Start a database and a daemon, and take one workflow through pause and approval.

    [dim]Example: resumer-daemon dev --once[/]
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"cannot keep a database in {data}: {error.strerror}; name a folder: --data", REFUSED)
    logs.configure("console", "warning")
    with EmbeddedPostgres(data.resolve() / "data", port=port or _free_port()) as server:
        _create_database(server)
        url = server.url(DATABASE)
        chosen = settings(database_url=url, http_port=http_port, allow_superuser=True)
        run(_dev(chosen, once))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _create_database(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.execute(load("has_database"), {"name": DATABASE}).fetchone() is None:
            connection.execute(load("create_database"))


async def _dev(chosen: Settings, once: bool) -> None:
    applied = await migrate.up(chosen.url, chosen.service_schema)
    daemon = Daemon(chosen)
    running = asyncio.create_task(daemon.run())
    try:
        await _beside(running, _tell(chosen, daemon, len(applied), once))
        if not once:
            daemon.stop_on_signals()
            await running
    finally:
        daemon.stop()
        await running


async def _tell(chosen: Settings, daemon: Daemon, applied: int, once: bool) -> None:
    await daemon.listening.wait()
    console.print(
        f"[bold]resumer-daemon[/] beside PostgreSQL ({applied} migrations applied just now)\n",
        highlight=False,
    )
    database = Database(chosen.url, chosen.service_schema, chosen.service_timezone)
    session = await database.session("resumer-dev")
    async with session.connection:
        story = Story(session, _example(), chosen.url)
        await story.tell()
        if not once:
            await _invite(story, session, daemon)


async def _invite(story: Story, session: Session, daemon: Daemon) -> None:
    """Leave one paused execution, and what to type to move it."""
    console.print(Rule("[bold]your turn[/]", align="left", style="dim"))
    found = await queries.show_execution(session, await story.pause())
    statement = commands.plain_decision(found["approvals"][0]["request_id"], "approved")
    url, programs = daemon.settings.url, get_path("scripts")
    for label, text in (
        ("connect", f"psql {url}"),
        ("shell", f"export PATH={programs}:$PATH RESUMER_DATABASE_URL={url}"),
        ("decide", f"{statement};"),
        ("look", f"resumer-daemon show {found['execution_id']}"),
        ("metrics", f"{daemon.server.address}/metrics"),
    ):
        console.print(f"  {label:8} {escape(text)}", highlight=False, soft_wrap=True)
    console.print("\nCtrl-C ends it; the data stays.")


def _example() -> dict[str, Json]:
    text = files("resumer_daemon.examples").joinpath(f"{EXAMPLE}.json").read_text("utf-8")
    document: dict[str, Json] = json.loads(text)
    return document


async def _beside(running: asyncio.Task[None], work: Awaitable[None]) -> None:
    """Do the work while the daemon runs; a daemon that ends early ends the work with its error."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({running, task}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await running
    await task
