"""The HTTP application: health and metrics for everyone, the API behind authentication."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder

from resumer_daemon import __version__
from resumer_daemon.api import routes
from resumer_daemon.api.dependencies import ApiContext
from resumer_daemon.api.middleware import AuthMiddleware, FramingMiddleware, MetricsMiddleware
from resumer_daemon.api.problems import DOCUMENT, Problem, install_handlers


@dataclass(frozen=True, slots=True)
class Health:
    """What health and metrics ask of a process. `refresh` is awaited before each scrape.

    `commits_hang` tells whether the server keeps every commit waiting, where that matters.
    """

    healthy: Callable[[], bool]
    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]
    commits_hang: Callable[[], Awaitable[bool]] | None = None

    async def fault(self) -> str | None:
        """Return why no work is done; None where it is."""
        if not self.healthy():
            return "the database is away"
        if self.commits_hang is not None and await self.commits_hang():
            return "commits hang: the server waits for a synchronous standby that is gone"
        return None


def add_health_routes(app: FastAPI, health: Health) -> None:
    """Add the addresses that orchestrators and Prometheus ask."""

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        """Answer while the event loop turns; a database that is away is no reason to restart."""
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Answer 200 while work is taken from the database, 503 while it is away or hangs."""
        fault = await health.fault()
        if fault is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "degraded", "reason": fault}, 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """Return the metrics, as Prometheus' text or, with exemplars, as OpenMetrics."""
        await health.refresh()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, health.registry)
        return Response(text, media_type=media_type)


class Application(FastAPI):
    """An application whose OpenAPI document has the form of errors.

    The first request for the document makes it, not the start of the daemon: that takes 0.2 s.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the document. It is made once."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document


def build_app(health: Health, doors: ApiContext, requests: Counter) -> Application:
    """Build the application; it counts its requests by route, method and status."""
    app = Application(
        title="resumer-daemon",
        version=__version__,
        openapi_url=None,  # FastAPI would make the document in the event loop
        generate_unique_id_function=attrgetter("name"),
        redirect_slashes=False,
        docs_url=None,  # pages that fetch their scripts from elsewhere
        redoc_url=None,
    )
    app.state.doors = doors
    app.add_middleware(
        AuthMiddleware, credentials=doors.credentials, rate=doors.rate, proxies=doors.proxies
    )
    app.add_middleware(FramingMiddleware)
    app.add_middleware(MetricsMiddleware, requests=requests)  # around all that refuses
    app.include_router(routes.reading)
    app.include_router(routes.moving)
    app.include_router(routes.holding)
    install_handlers(app)
    add_health_routes(app, health)

    @app.get(DOCUMENT, include_in_schema=False)
    def document() -> JSONResponse:
        """Return the OpenAPI document, which a thread makes."""
        return JSONResponse(app.openapi())

    return app
