"""Whether the process lives, whether it works, and what it measured: open to whoever gets there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


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


def watch(app: FastAPI, health: Health) -> None:
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
