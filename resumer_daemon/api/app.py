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
    """The state of a process for health and metrics. `refresh` is awaited before each scrape.

    `commits_hang` returns whether the server blocks every commit. None: unknown.
    `awaits_migration` returns whether the process waits for `migrate up`.
    """

    healthy: Callable[[], bool]
    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]
    commits_hang: Callable[[], Awaitable[bool]] | None = None
    awaits_migration: Callable[[], bool] = bool

    async def fault(self) -> str | None:
        """Return why the process does no work; None if it works."""
        if self.awaits_migration():
            return "the database is not migrated: run `resumer-daemon migrate up`"
        if not self.healthy():
            return "the database does not respond"
        if self.commits_hang is not None and await self.commits_hang():
            return "commits hang: the server waits for a synchronous standby that is gone"
        return None


def add_health_routes(app: FastAPI, health: Health) -> None:
    """Add the endpoints for orchestrators and Prometheus."""

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        """Return 200 while the event loop runs. A lost database does not need a restart."""
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Return 200 while the process works, 503 while the database is lost or hangs."""
        fault = await health.fault()
        if fault is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "degraded", "reason": fault}, 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """Return the metrics as Prometheus text, or as OpenMetrics with exemplars."""
        await health.refresh()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, health.registry)
        return Response(text, media_type=media_type)


class Application(FastAPI):
    """An application whose OpenAPI document describes its errors.

    The first request builds the document, not the start of the daemon: it takes 0.2 s.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the document. It is built once."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document


def build_app(health: Health, doors: ApiContext, requests: Counter) -> Application:
    """Build the application. `requests` counts its requests by route, method and status."""
    app = Application(
        title="resumer-daemon",
        version=__version__,
        openapi_url=None,  # FastAPI would build the document in the event loop
        generate_unique_id_function=attrgetter("name"),
        redirect_slashes=False,
        docs_url=None,  # these pages load scripts from other hosts
        redoc_url=None,
    )
    app.state.doors = doors
    app.add_middleware(
        AuthMiddleware, credentials=doors.credentials, rate=doors.rate, proxies=doors.proxies
    )
    app.add_middleware(FramingMiddleware)
    app.add_middleware(
        MetricsMiddleware, requests=requests
    )  # outermost, so that it counts refused requests
    app.include_router(routes.reading)
    app.include_router(routes.moving)
    app.include_router(routes.holding)
    install_handlers(app)
    add_health_routes(app, health)

    @app.get(DOCUMENT, include_in_schema=False)
    def document() -> JSONResponse:
        """Return the OpenAPI document. FastAPI runs this in a thread."""
        return JSONResponse(app.openapi())

    return app
