"""`run` and `exporter`: the processes of a deployment."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated, Literal

import structlog
import typer
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from resumer_daemon.api.app import Health, add_health_routes
from resumer_daemon.api.server import Server
from resumer_daemon.cli.common import DatabaseUrl, settings
from resumer_daemon.cli.common import run as run_work
from resumer_daemon.config import Settings, unknown_variables
from resumer_daemon.daemon.daemon import Daemon, tune_gc
from resumer_daemon.errors import NotAllowed
from resumer_daemon.store.gauges import Gauges
from resumer_daemon.telemetry import logs

log = structlog.get_logger()


def run(
    database_url: DatabaseUrl = None,
    http_port: Annotated[int | None, typer.Option(help="Overrides RESUMER_HTTP_PORT.")] = None,
    log_format: Annotated[
        Literal["console", "json"] | None, typer.Option(help="Overrides RESUMER_LOG_FORMAT.")
    ] = None,
) -> None:
    """Run the daemon until SIGTERM.

    It claims executions that are due, and resumes them.

    [dim]Example: RESUMER_DATABASE_URL=postgresql://... resumer-daemon run[/]
    """
    chosen = settings(
        warn=False, database_url=database_url, http_port=http_port, log_format=log_format
    )
    logs.configure(chosen.log_format, chosen.log_level)
    _warn_of_unknown_variables()
    run_work(_run_daemon(chosen))


def _warn_of_unknown_variables() -> None:
    """Log variables that name no setting: a misspelt setting is not in force."""
    for name, nearest in unknown_variables().items():
        log.warning("setting_unknown", variable=name, nearest=nearest)


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


def exporter(
    database_url: DatabaseUrl = None,
    http_port: Annotated[int | None, typer.Option(help="Overrides RESUMER_HTTP_PORT.")] = None,
) -> None:
    """Serve the metrics of the database until SIGTERM.

    The exporter moves nothing. It reports the lag even while every daemon is stuck or gone. Scrape
    it under another job name than the daemons.

    [dim]Example: resumer-daemon exporter --http-port 9465[/]
    """
    chosen = settings(warn=False, database_url=database_url, http_port=http_port)
    logs.configure(chosen.log_format, chosen.log_level)
    _warn_of_unknown_variables()
    run_work(_serve_gauges(chosen))


async def _serve_gauges(chosen: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    gauges, registry = Gauges(chosen.url, standby=True), CollectorRegistry()
    registry.register(gauges)
    app = FastAPI(openapi_url=None)
    add_health_routes(app, Health(lambda: gauges.up, registry, gauges.refresh))
    server = Server(app, chosen)
    await server.start()
    log.info("started", http=server.address)
    await gauges.refresh()
    await stopped.wait()
    await server.stop()
    await gauges.close()
    log.info("stopped")
