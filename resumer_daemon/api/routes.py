"""Every endpoint of `/api/v1`: reads, commands for one execution, and holds of a workflow.

A command writes one request, which a daemon settles.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from shlex import quote
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Response

from resumer_daemon.api import schemas
from resumer_daemon.api.auth import Caller, Permission
from resumer_daemon.api.dependencies import (
    ApiContext,
    Context,
    ExactRoute,
    Execution,
    Reader,
    Submission,
    Submits,
    require_permission,
    resolve_execution,
    scope_of,
)
from resumer_daemon.api.middleware import LARGEST
from resumer_daemon.api.problems import documented
from resumer_daemon.api.schemas import (
    CancelBody,
    Explanation,
    HoldBody,
    HoldCreated,
    HoldReleased,
    LedgerPage,
    LedgerQuery,
    Move,
    Options,
    PauseBody,
    PausedPage,
    PausedQuery,
    ReleaseBody,
    RequestAccepted,
    ResumeBody,
    RetryBody,
    Status,
)
from resumer_daemon.engine.vocabulary import OPEN_STATUSES
from resumer_daemon.store import queries
from resumer_daemon.workflow.values import Json, dump, load

NEEDS = {
    "pause": Permission.PAUSE,
    "resume": Permission.RESUME,
    "retry": Permission.RESUME,
    "cancel": Permission.CANCEL,
}

Moves = Iterator[dict[str, Json]]


def moves_of(row: Mapping[str, Any]) -> Moves:
    """Yield the moves, the likeliest first, for the facts of `queries.read_resume_options`."""
    if row["status"] not in OPEN_STATUSES:
        return
    if row["status"] == "paused":
        yield from _onwards(row, load(row["next_steps"] or "{}"))
    if row["reason"] not in ("manual", "incident"):
        yield _option(
            "pause", "pause it manually: decisions are kept until it is resumed", {}, None
        )
    yield _option("cancel", "end it without a result", {}, None)


def _onwards(row: Mapping[str, Any], ways: Mapping[str, str | None]) -> Moves:
    match row["reason"]:
        case "approval_required":
            yield from _for_an_approval(row["asked"], row["pause_number"], ways)
        case "waiting_for_event" | "waiting_for_time":
            yield _option(
                "resume", "continue as if the event or the time had come", {}, ways.get("event")
            )
        case "manual" if row["over"] is not None:
            yield _option("resume", f"wait again: {row['over']}", {}, None)
        case "manual":
            yield _option("resume", "continue from the step where it was paused", {}, row["step"])
        case "incident":
            yield from _after_an_incident(row["effects"], row["step"])
        case _:
            yield _option(
                "resume", "continue from the step where another program paused it", {}, None
            )


def _for_an_approval(asked: list[str], pause_number: int, ways: Mapping[str, str | None]) -> Moves:
    for request in asked:
        told = f"{_command(request)}, reject, or a plain UPDATE of its status"
        yield _option("decide", told, {}, ways.get("approved"))
    forced: dict[str, Json] = {"force": True, "reason": "...", "pause_number": pause_number}
    yield _option("resume", "continue without the approval", forced, ways.get("approved"))
    refused = {**forced, "data": {"approved": False}}
    yield _option("resume", "reject without an approver", refused, ways.get("refused"))


def _command(request: str) -> str:
    """Return the shell command. The request is left out if it is not safe to paste."""
    if not request.isprintable() or request.startswith("-"):
        return "resumer-daemon approve"
    return f"resumer-daemon approve {quote(request)}"


def _after_an_incident(effects: list[str], step: str | None) -> Moves:
    yield _option("retry", "continue from the same step", {}, step)
    for key in effects:
        skipped: dict[str, Json] = {"skip_effect": key, "reason": "..."}
        yield _option("retry", "continue, and treat this webhook as done", skipped, step)


def _option(move: str, says: str, body: dict[str, Json], leads_to: str | None) -> dict[str, Json]:
    return {"move": move, "says": says, "body": body, "leads_to": leads_to}


reading = APIRouter(prefix="/api/v1", tags=["reading"])

ONE = "/executions/{id}"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged since the ETag."}}


@reading.get("/executions/paused", response_model=PausedPage, responses=documented())
async def list_paused(
    caller: Reader, opened: Context, query: Annotated[PausedQuery, Query()]
) -> Response:
    """List paused executions, longest pause first."""
    after = None if query.cursor is None else schemas.read_paused_cursor(query.cursor)
    async with opened.sessions.session() as session:
        rows = await queries.page_paused(
            session, scope_of(caller), query.reason, after, query.limit
        )
    full = len(rows) == query.limit
    return _page(rows, schemas.paused_cursor(rows[-1]["at"], rows[-1]["id"]) if full else None)


@reading.get("/ledger", response_model=LedgerPage, responses=documented(404))
async def read_ledger(
    caller: Reader, opened: Context, query: Annotated[LedgerQuery, Query()]
) -> Response:
    """List settled requests and their outcomes, newest first."""
    before = None if query.cursor is None else int(query.cursor)
    execution = None
    if query.execution is not None:
        execution = await resolve_execution(opened, caller, query.execution)
    async with opened.sessions.session() as session:
        rows = await queries.page_ledger(session, scope_of(caller), execution, before, query.limit)
    return _page(rows, str(rows[-1]["id"]) if len(rows) == query.limit else None)


@reading.get(f"{ONE}/status", response_model=Status, responses={**UNCHANGED, **documented(404)})
async def read_status(
    caller: Reader, execution: Execution, opened: Context,
    known: Annotated[str | None, Header(alias="If-None-Match", max_length=1000)] = None,
) -> Response:  # fmt: skip
    """Return the status of one execution; 304 if it is unchanged since the ETag."""
    async with opened.sessions.session() as session:
        text = await queries.read_status(session, scope_of(caller), execution)
    tag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
    tags = {each.strip().removeprefix("W/") for each in (known or "").split(",")}
    if tags & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return _as_json(text, {"ETag": tag})


@reading.get(f"{ONE}/explain", response_model=Explanation, responses=documented(404))
async def explain(caller: Reader, execution: Execution, opened: Context) -> Response:
    """Explain why one execution waits, and what moves it."""
    async with opened.sessions.session() as session:
        return _as_json(await queries.explain_in_scope(session, scope_of(caller), execution))


@reading.get(f"{ONE}/resume-options", response_model=Options, responses=documented(404))
async def list_options(caller: Reader, execution: Execution, opened: Context) -> Response:
    """List the commands that are possible now, their next steps, and the permissions."""
    async with opened.sessions.session() as session:
        row = await queries.read_resume_options(session, scope_of(caller), execution)
    found = [
        {**option, **_asked_for(option["move"], execution, caller, opened)}
        for option in moves_of(row)
    ]
    head = {
        "execution": str(execution),
        "execution_id": row["key"],
        "status": row["status"],
        "paused_for": row["reason"],
        "pause_number": row["pause_number"],
    }
    return _as_json(dump({**head, "options": found}))


def _asked_for(move: str, execution: UUID, caller: Caller, opened: ApiContext) -> dict[str, Any]:
    """Return the path of a command, and whether the caller has the permission."""
    needed = NEEDS.get(move)
    if needed is None:
        return {"post": None, "needs": None, "permitted": True}
    return {
        "post": f"/api/v1/executions/{execution}/{move}",
        "needs": needed.scope,
        "permitted": caller.may(needed, legacy=opened.legacy),
    }


def _page(rows: list[dict[str, Any]], following: str | None) -> Response:
    items = ",".join(row["document"] for row in rows)
    return _as_json(f'{{"items":[{items}],"next":{dump(following)}}}')


def _as_json(text: str, headers: dict[str, str] | None = None) -> Response:
    """Return a document as the database wrote it."""
    return Response(text, media_type="application/json", headers=headers)


moving = APIRouter(
    prefix="/api/v1/executions/{id}",
    route_class=ExactRoute,
    max_body_size=LARGEST,
    responses=documented(400, 404, 409),
    tags=["moving"],
)

ToPause = Annotated[PauseBody, Body(default_factory=PauseBody)]
ToResume = Annotated[ResumeBody, Body(default_factory=ResumeBody)]
ToCancel = Annotated[CancelBody, Body(default_factory=CancelBody)]
ToRetry = Annotated[RetryBody, Body(default_factory=RetryBody)]
MayPause = Annotated[Caller, require_permission(Permission.PAUSE)]
MayResume = Annotated[Caller, require_permission(Permission.RESUME)]
MayCancel = Annotated[Caller, require_permission(Permission.CANCEL)]


async def _move(
    submission: Submission,
    response: Response,
    execution: UUID,
    move: Move,
    facts: Mapping[str, Any],
) -> RequestAccepted:
    request = await submission.submit(move, {"execution": execution, **facts})
    key = await submission.read_key(execution)
    status = f"/api/v1/executions/{execution}/status"
    response.headers["Location"] = status
    return RequestAccepted(
        request=request, move=move, execution=execution, execution_id=key, status=status
    )


@moving.post("/pause", status_code=202)
async def pause(
    _: MayPause, execution: Execution, submission: Submits, body: ToPause, response: Response
) -> RequestAccepted:
    """Pause an execution before its next step. A paused one stays paused."""
    return await _move(submission, response, execution, "pause", body.model_dump())


@moving.post("/resume", status_code=202)
async def resume(
    _: MayResume, execution: Execution, submission: Submits, body: ToResume, response: Response
) -> RequestAccepted:
    """Resume a paused execution. To skip an approval, send `force`, `reason` and `pause_number`."""
    facts = {**body.model_dump(), "data": dump(body.data)}
    return await _move(submission, response, execution, "resume", facts)


@moving.post("/cancel", status_code=202)
async def cancel(
    _: MayCancel, execution: Execution, submission: Submits, body: ToCancel, response: Response
) -> RequestAccepted:
    """End an execution without a result."""
    return await _move(submission, response, execution, "cancel", body.model_dump())


@moving.post("/retry", status_code=202)
async def retry(
    _: MayResume, execution: Execution, submission: Submits, body: ToRetry, response: Response
) -> RequestAccepted:
    """Continue an execution that stopped at an incident, from that step or from another."""
    return await _move(submission, response, execution, "retry", body.model_dump())


holding = APIRouter(
    prefix="/api/v1",
    route_class=ExactRoute,
    max_body_size=LARGEST,
    responses=documented(400, 404, 409),
    tags=["holding"],
)


@holding.post("/hold")
async def hold(_: MayPause, submission: Submits, body: HoldBody) -> HoldCreated:
    """Stop a workflow, or every workflow, until it is released."""
    hold_id = await submission.submit("hold", body.model_dump())
    return HoldCreated(workflow=body.workflow, hold=hold_id)


@holding.post("/release")
async def release(_: MayResume, submission: Submits, body: ReleaseBody) -> HoldReleased:
    """End a hold. Its executions resume at a limited rate."""
    going = await submission.submit("release", body.model_dump())
    return HoldReleased(workflow=body.workflow, going=going)
