"""The HTTP application: whether the process lives, whether it works, and what it measured."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from resumer_daemon import __version__


@dataclass(frozen=True, slots=True)
class Health:
    """What the application asks of the daemon."""

    healthy: Callable[[], bool]
    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]


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
    async def metrics(request: Request) -> Response:
        """Return the metrics, as Prometheus' text or, with exemplars, as OpenMetrics."""
        await health.refresh()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, health.registry)
        return Response(text, media_type=media_type)

    return app
