"""The one form of errors over HTTP: RFC 9457, `application/problem+json`."""

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
    """An error, and the remedy for it."""

    type: str = Field("about:blank", description="The status says it all.")
    title: str = Field(description="The name of the status.")
    status: int
    detail: str = Field(description="What went wrong this time.")
    hint: str | None = Field(None, description="What to do about it.")
    code: str | None = Field(None, description="The SQLSTATE of the function that refused.")
    errors: list[dict[str, str]] | None = Field(None, description="Each fault, with its place.")


class ProblemError(HTTPException):
    """Ends a request with a problem."""

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
        """Return it as an answer."""
        content = self.problem.model_dump(exclude_none=True)
        return JSONResponse(content, self.status_code, self.headers, "application/problem+json")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of these statuses, and of those of every answer."""
    form = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": form}
        for status in (401, 403, *statuses, 413, 422, 429, 503)
    }


def install_handlers(app: FastAPI) -> None:
    """Give every error of an application this form."""

    @app.exception_handler(Exception)
    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    @app.exception_handler(NotFound)
    @app.exception_handler(IdempotencyConflict)
    @app.exception_handler(psycopg.Error)
    async def answered(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response()


def problem_of(error: Exception) -> ProblemError:
    """Return what an error comes to; a fault of the program is logged and told to nobody."""
    match error:
        case ProblemError():
            return error
        case HTTPException():
            hint = f"{DOCUMENT} has every path and its methods"
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
    """Return what the database said; the end of a SQLSTATE of ours is the status: `RZ409`."""
    state, said = error.sqlstate or "", error.diag.message_primary or "it cannot be stored"
    if state.startswith("RZ"):
        return ProblemError(int(state[2:]), said, hint=error.diag.message_hint, code=state)
    if isinstance(error, psycopg.DataError):
        return ProblemError(422, said)
    if isinstance(error, psycopg.OperationalError):
        return ProblemError(503, "the database does not answer now", AGAIN_IN)
    return _fault(error)


def _fault(error: Exception) -> ProblemError:
    log.error("http_failed", exc_info=error)
    return ProblemError(500, "a fault of this program; its log has the rest")


def _not_valid(error: RequestValidationError) -> ProblemError:
    """Return 400 for what is no JSON at all, else 422 with the place of each fault."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return ProblemError(400, "the body is no JSON")
    places = [
        {"place": ".".join(map(str, fault["loc"])), "detail": fault["msg"]} for fault in faults
    ]
    # a body that did not say it is JSON is not read, and is no object for that reason alone
    unread = any(isinstance(fault["input"], bytes) for fault in faults)
    hint = "Content-Type: application/json" if unread else f"{DOCUMENT} has the document"
    return ProblemError(422, "the request is not as the document has it", errors=places, hint=hint)
