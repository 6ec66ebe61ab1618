"""The HTTP application: health and metrics for everyone; behind the gate, what moves executions."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from resumer_daemon import __version__
from resumer_daemon.api import moving, reading
from resumer_daemon.api.doors import Doors
from resumer_daemon.api.gate import Gate
from resumer_daemon.api.problems import handle


@dataclass(frozen=True, slots=True)
class Health:
    """What health and metrics ask of the daemon."""

    healthy: Callable[[], bool]
    registry: CollectorRegistry


def build(health: Health, doors: Doors) -> FastAPI:
    """Build the application."""
    app = FastAPI(
        title="resumer-daemon",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=attrgetter("name"),
        docs_url=None,  # pages that fetch their scripts from elsewhere
        redoc_url=None,
    )
    app.state.doors = doors
    app.add_middleware(Gate, credentials=doors.credentials, rate=doors.rate)
    app.include_router(reading.router)
    app.include_router(moving.router)
    handle(app)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        """Answer while the event loop turns; a database that is away is no reason to restart."""
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Answer 200 while work is taken from the database, 503 while it is away."""
        if health.healthy():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "degraded", "reason": "the database is away"}, 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return the metrics; the gauges that are read from the database must not stop the loop."""
        text = await run_in_threadpool(generate_latest, health.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app
