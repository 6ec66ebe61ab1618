"""`exporter`: what the database says of itself, where no daemon is left to say it."""

import asyncio
import signal
from typing import Annotated

import structlog
import typer
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from resumer_daemon.api.app import Health, watch
from resumer_daemon.api.server import Server
from resumer_daemon.cli.common import DatabaseUrl, settings
from resumer_daemon.cli.common import run as run_work
from resumer_daemon.config import Settings
from resumer_daemon.store.gauges import Gauges
from resumer_daemon.telemetry import logs

log = structlog.get_logger()


def exporter(
    database_url: DatabaseUrl = None,
    http_port: Annotated[int | None, typer.Option(help="Overrides RESUMER_HTTP_PORT.")] = None,
) -> None:
    """Serve what the database knows as metrics, and do nothing else, until SIGTERM.

    So the lag can be seen, and be alerted on, while all daemons are stuck or gone. Scrape it as a
    job of another name than the daemons.

    [dim]Example: resumer-daemon exporter --http-port 9465[/]
    """
    chosen = settings(database_url=database_url, http_port=http_port)
    logs.configure(chosen.log_format, chosen.log_level)
    run_work(_serve_gauges(chosen))


async def _serve_gauges(chosen: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    gauges, registry = Gauges(chosen.url, standby=True), CollectorRegistry()
    registry.register(gauges)
    app = FastAPI(openapi_url=None)
    watch(app, Health(lambda: gauges.up, registry, gauges.refresh))
    server = Server(app, chosen)
    await server.start()
    log.info("started", http=server.address)
    await gauges.refresh()
    await stopped.wait()
    await server.stop()
    await gauges.close()
    log.info("stopped")
