"""`run`: the daemon in the foreground, until SIGTERM."""

import asyncio
from contextlib import suppress
from typing import Annotated, Literal

import typer

from resumer_daemon.cli.common import DatabaseUrl, settings
from resumer_daemon.cli.common import run as run_work
from resumer_daemon.config import Settings
from resumer_daemon.daemon.daemon import Daemon, tune_gc
from resumer_daemon.errors import NotAllowed
from resumer_daemon.telemetry import logs


def run(
    database_url: DatabaseUrl = None,
    http_port: Annotated[int | None, typer.Option(help="Overrides RESUMER_HTTP_PORT.")] = None,
    log_format: Annotated[
        Literal["console", "json"] | None, typer.Option(help="Overrides RESUMER_LOG_FORMAT.")
    ] = None,
) -> None:
    """Run the daemon: claim what is due, resume it, until SIGTERM.

    [dim]Example: RESUMER_DATABASE_URL=postgresql://... resumer-daemon run[/]
    """
    chosen = settings(database_url=database_url, http_port=http_port, log_format=log_format)
    logs.configure(chosen.log_format, chosen.log_level)
    run_work(_run_daemon(chosen))


async def _run_daemon(chosen: Settings) -> None:
    daemon = Daemon(chosen)
    daemon.stop_on_signals()
    tune_gc()
    try:
        with suppress(asyncio.CancelledError):  # a second signal, or a drain that took too long
            await daemon.run()
    except ExceptionGroup as several:
        refused, _ = several.split(NotAllowed)
        if refused is None:
            raise
        raise refused.exceptions[0] from None
