"""The HTTP application: health and metrics for everyone; behind the gate, what moves executions."""

from operator import attrgetter
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import Counter

from resumer_daemon import __version__
from resumer_daemon.api import holding, moving, reading
from resumer_daemon.api.counted import Counted
from resumer_daemon.api.doors import Doors
from resumer_daemon.api.framing import Framing
from resumer_daemon.api.gate import Gate
from resumer_daemon.api.health import Health, watch
from resumer_daemon.api.problems import DOCUMENT, Problem, handle


class Application(FastAPI):
    """An application whose OpenAPI document has the form of errors.

    The first request for the document makes it, not the start of the daemon: that takes 0.2 s.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the document. It is made once."""
        document = super().openapi()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document


def build(health: Health, doors: Doors, requests: Counter) -> Application:
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
    app.add_middleware(Gate, credentials=doors.credentials, rate=doors.rate, proxies=doors.proxies)
    app.add_middleware(Framing)
    app.add_middleware(Counted, requests=requests)  # around all that refuses
    app.include_router(reading.reading)
    app.include_router(moving.moving)
    app.include_router(holding.holding)
    handle(app)
    watch(app, health)

    @app.get(DOCUMENT, include_in_schema=False)
    def document() -> JSONResponse:
        """Return the OpenAPI document, which a thread makes."""
        return JSONResponse(app.openapi())

    return app
