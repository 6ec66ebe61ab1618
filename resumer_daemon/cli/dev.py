"""`dev`: PostgreSQL, migrations, a daemon, and an example workflow."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from sysconfig import get_path
from typing import Annotated, Any

import psycopg
import typer

from resumer_daemon.cli.common import REFUSED, console, fail, run, settings
from resumer_daemon.cli.output import colored_status, escape, print_steps
from resumer_daemon.config import Settings
from resumer_daemon.daemon.daemon import Daemon
from resumer_daemon.embedded.cluster import PostgresFailed
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.errors import OperationRefused
from resumer_daemon.store import commands, migrate, queries
from resumer_daemon.store.session import Database, Session
from resumer_daemon.telemetry import logs
from resumer_daemon.workflow.values import Json

WAIT_LIMIT = 20.0
PAYLOAD = {
    "order": {"id": "A-1001", "total": 12500},
    "customer": {"id": "C-7", "tier": "silver"},
}


class Demo:
    """Runs executions of one definition, and prints what happens."""

    def __init__(self, session: Session, document: Mapping[str, Json], url: str) -> None:
        self._session = session
        self._document = document
        self._workflow: str = document["workflow_id"]
        self._url = url

    async def run(self) -> None:
        """Take the workflow through an approval, a rejection and an expiry."""
        await commands.upsert_workflow(self._session, self._document)
        await self._decided("approved", "the sales manager approves")
        await self._decided("rejected", "the sales manager rejects")
        await self._expired()

    async def _decided(self, verdict: str, title: str) -> None:
        console.headline(title)
        execution = await self.pause()
        approval = (await queries.show_execution(self._session, execution))["approvals"][0]
        statement = commands.decide_by_update(approval["request_id"], verdict)
        console.print(f"[dim]sql>[/] {escape(statement)}", highlight=False, soft_wrap=True)
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as other:
            await other.execute(statement.encode())
        await self._ended(execution)

    async def _expired(self) -> None:
        console.headline("no decision before the deadline")
        impatient = _with_timeout(self._document, "1s")
        await commands.upsert_workflow(self._session, impatient)
        execution = await self.pause(impatient["workflow_id"])
        await self._ended(execution)

    async def pause(self, workflow: str | None = None) -> str:
        """Start an execution and wait until it is paused; return its id."""
        execution = await commands.start(self._session, workflow or self._workflow, PAYLOAD)
        found = await self._until(execution, lambda e: e["status"] == "paused")
        approval, pause = found["approvals"][0], found["pauses"][-1]
        console.print(
            f"{found['execution_id']} is {colored_status('paused')} at [bold]{pause['step']}[/]"
            f" since {pause['paused_at'][11:19]} UTC: waits for [bold]{approval['role']}[/]"
            f" ({approval['request_id']})",
            highlight=False,
            soft_wrap=True,
        )
        return execution

    async def _ended(self, execution: str) -> None:
        found = await self._until(execution, lambda e: e["status"] != "paused")
        after = await commands.resume_latency(self._session, execution)
        took = (
            "" if after is None else f", resumed [bold]{after * 1000:.1f} ms[/] after the decision"
        )
        console.print(
            f"{found['execution_id']} is {colored_status(found['status'])} as"
            f" {colored_status(found['result'])}{took}",
            highlight=False,
            soft_wrap=True,
        )
        print_steps(console, found["steps"])
        console.print()

    async def _until(
        self, execution: str, fact: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(WAIT_LIMIT):
                while True:
                    found = await queries.show_execution(self._session, execution)
                    if fact(found):
                        return found
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise OperationRefused(
                f"execution {execution} did not get there in {WAIT_LIMIT:.0f} s"
            ) from None


def _with_timeout(document: Mapping[str, Json], timeout: str) -> dict[str, Json]:
    """Return the same workflow, with approvals that expire soon."""
    impatient = deepcopy(dict(document))
    impatient["workflow_id"] = f"{document['workflow_id']}_in_a_hurry"
    for step in impatient["definition"]["steps"]:
        if "requires" in step:
            step["requires"]["timeout"] = timeout
    return impatient


EXAMPLE = "high_value_order_approval"


def dev(
    once: Annotated[bool, typer.Option("--once", help="End after the example.")] = False,
    data: Annotated[Path, typer.Option(help="The folder of the database.")] = Path(".resumer"),
    port: Annotated[int, typer.Option(help="The port of the database. 0: any free port.")] = 0,
    http_port: Annotated[int, typer.Option(help="The port of the daemon. 0: any free port.")] = 0,
) -> None:
    """Start a database and a daemon, and run one example workflow.

    The example is approved, rejected and left to expire.

    [dim]Example: resumer-daemon dev --once[/]
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(
            f"cannot keep a database in {data}: {error.strerror}. Name a folder with --data",
            REFUSED,
        )
    logs.configure("console", "warning")
    cluster = data.resolve() / "data"
    new = "" if cluster.exists() else "creating a database and "
    _progress(f"{new}starting PostgreSQL in {data}")
    try:
        with EmbeddedPostgres(cluster, port=port or _free_port()) as server:
            migrate.create_development_database(server.url())
            url = server.url(migrate.DEVELOPMENT_DATABASE)
            chosen = settings(database_url=url, http_port=http_port, allow_superuser=True)
            run(_dev(chosen, once))
    except PostgresFailed as error:
        if LOCKED not in str(error):
            fail(error, REFUSED)
        fail(f"another `dev` uses {data}: stop it, or name another folder with --data", REFUSED)


LOCKED = "postmaster.pid"
"""The file that PostgreSQL names where another server runs on the same data."""


def _progress(what: str) -> None:
    console.print(f"[dim]{escape(what)} ...[/]", highlight=False, soft_wrap=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _dev(chosen: Settings, once: bool) -> None:
    _progress("applying migrations")
    applied = await migrate.up(chosen.url, chosen.service_schema)
    daemon = Daemon(chosen)
    running = asyncio.create_task(daemon.run())
    try:
        await _while_running(running, _run_demo(chosen, daemon, len(applied), once))
        if not once:
            daemon.stop_on_signals()
            await running
    finally:
        daemon.stop()
        await running


async def _run_demo(chosen: Settings, daemon: Daemon, applied: int, once: bool) -> None:
    await daemon.listening.wait()
    console.print(
        f"[bold]resumer-daemon[/] beside PostgreSQL ({applied} migrations applied just now)\n",
        highlight=False,
    )
    database = Database(chosen.url, chosen.service_schema, chosen.service_timezone)
    session = await database.session("resumer-dev")
    async with session.connection:
        demo = Demo(session, _example(), chosen.url)
        await demo.run()
        if not once:
            await _print_next_steps(demo, session, daemon)


async def _print_next_steps(demo: Demo, session: Session, daemon: Daemon) -> None:
    """Leave one paused execution, and print the commands that resume it."""
    console.headline("your turn")
    found = await queries.show_execution(session, await demo.pause())
    statement = commands.decide_by_update(found["approvals"][0]["request_id"], "approved")
    url, programs = daemon.settings.url, get_path("scripts")
    for label, text in (
        ("connect", f"psql {url}"),
        ("shell", f"export PATH={programs}:$PATH RESUMER_DATABASE_URL={url}"),
        ("decide", f"{statement};"),
        ("look", f"resumer-daemon show {found['execution_id']}"),
        ("metrics", f"{daemon.server.address}/metrics"),
    ):
        console.print(f"  {label:8} {escape(text)}", highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops it. The data stays.")


def _example() -> dict[str, Json]:
    text = files("resumer_daemon.examples").joinpath(f"{EXAMPLE}.json").read_text("utf-8")
    document: dict[str, Json] = json.loads(text)
    return document


async def _while_running(running: asyncio.Task[None], work: Awaitable[None]) -> None:
    """Do the work while the daemon runs. If the daemon ends early, raise its error."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({running, task}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await running
    await task
