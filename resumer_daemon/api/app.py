"""The HTTP application: whether the process lives, whether it works, and what it measured."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from resumer_daemon import __version__


@dataclass(frozen=True, slots=True)
class Health:
    """What the application asks of the daemon."""

    healthy: Callable[[], bool]
    registry: CollectorRegistry


def build(health: Health) -> FastAPI:
    """Build the application."""
    app = FastAPI(title="resumer-daemon", version=__version__, openapi_url="/openapi.json")

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """Answer while the event loop turns; a database that is away is no reason to restart."""
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Answer 200 while work is taken from the database, 503 while it is away."""
        if health.healthy():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "degraded", "reason": "the database is away"}, 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return the metrics; the gauges that are read from the database must not stop the loop."""
        text = await run_in_threadpool(generate_latest, health.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app
