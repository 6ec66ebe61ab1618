"""Problem responses for every HTTP error: RFC 9457, `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from resumer_daemon.store.commands import IdempotencyConflict, NotFound
from resumer_daemon.telemetry.text import printable

log = structlog.get_logger()

AGAIN_IN = {"Retry-After": "1"}
DOCUMENT = "/api/v1/openapi.json"


class Problem(BaseModel):
    """An error and its remedy."""

    type: str = Field(
        "about:blank", description="Always `about:blank`. The status tells the kind of error."
    )
    title: str = Field(description="The name of the status.")
    status: int
    detail: str = Field(description="The error.")
    hint: str | None = Field(None, description="The remedy.")
    code: str | None = Field(
        None, description="The SQLSTATE of the SQL function that refused the request."
    )
    errors: list[dict[str, str]] | None = Field(None, description="Each invalid field.")


class ProblemError(HTTPException):
    """Ends a request with a problem response."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        detail = printable(detail)
        if more.get("hint"):
            more["hint"] = printable(more["hint"])
        super().__init__(status, detail, headers)
        title = HTTPStatus(status).phrase
        self.problem = Problem(title=title, status=status, detail=detail, **more)

    def response(self) -> JSONResponse:
        """Return the response."""
        content = self.problem.model_dump(exclude_none=True)
        return JSONResponse(content, self.status_code, self.headers, "application/problem+json")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these statuses and of those that every route has."""
    form = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": form}
        for status in (401, 403, *statuses, 413, 422, 429, 503)
    }


def install_handlers(app: FastAPI) -> None:
    """Turn every error of an application into a problem response."""

    @app.exception_handler(Exception)
    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    @app.exception_handler(NotFound)
    @app.exception_handler(IdempotencyConflict)
    @app.exception_handler(psycopg.Error)
    async def answered(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response()


def problem_of(error: Exception) -> ProblemError:
    """Return the problem of an error. A bug is logged, and its details are not sent."""
    match error:
        case ProblemError():
            return error
        case HTTPException():
            hint = f"{DOCUMENT} lists every path and its methods"
            return ProblemError(error.status_code, error.detail, error.headers, hint=hint)
        case RequestValidationError():
            return _not_valid(error)
        case NotFound():
            return ProblemError(404, str(error))
        case IdempotencyConflict():
            return ProblemError(422, str(error))
        case psycopg.Error():
            return _of_the_database(error)
    return _fault(error)


def _of_the_database(error: psycopg.Error) -> ProblemError:
    """Return the problem of a database error. `RZ409` means status 409."""
    state, said = error.sqlstate or "", error.diag.message_primary or "the data cannot be stored"
    if state.startswith("RZ"):
        return ProblemError(int(state[2:]), said, hint=error.diag.message_hint, code=state)
    if isinstance(error, psycopg.DataError):
        return ProblemError(422, said)
    if isinstance(error, psycopg.OperationalError):
        return ProblemError(503, "The database does not respond.", AGAIN_IN)
    return _fault(error)


def _fault(error: Exception) -> ProblemError:
    log.error("http_failed", exc_info=error)
    return ProblemError(500, "Internal error. See the daemon's log.")


def _not_valid(error: RequestValidationError) -> ProblemError:
    """Return 400 for a body that is not JSON, else 422 with each invalid field."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return ProblemError(400, "The body is not JSON.")
    places = [
        {"place": ".".join(map(str, fault["loc"])), "detail": fault["msg"]} for fault in faults
    ]
    # FastAPI does not parse a body without the content type of JSON
    unread = any(isinstance(fault["input"], bytes) for fault in faults)
    hint = "Content-Type: application/json" if unread else f"see {DOCUMENT}"
    return ProblemError(
        422, "The request does not match the OpenAPI schema.", errors=places, hint=hint
    )
