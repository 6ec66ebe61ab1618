"""The endpoints that read: one execution, the paused executions, the ledger."""

from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from resumer_daemon.api import cursor
from resumer_daemon.api.answers import Explanation, LedgerPage, Options, PausedPage, Status
from resumer_daemon.api.asked import LedgerQuery, PausedQuery
from resumer_daemon.api.caller import Caller
from resumer_daemon.api.doors import Doors, Execution, Opened, Reader, reach_of
from resumer_daemon.api.options import NEEDS, moves_of
from resumer_daemon.api.problems import documented
from resumer_daemon.store import commands
from resumer_daemon.workflow.values import dump

reading = APIRouter(prefix="/api/v1", tags=["reading"])

ONE = "/executions/{id}"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as the caller knows it."}}


@reading.get("/executions/paused", response_model=PausedPage, responses=documented())
async def list_paused(
    caller: Reader, opened: Opened, query: Annotated[PausedQuery, Query()]
) -> Response:
    """List what is paused, that first which is paused for longest."""
    after = None if query.cursor is None else cursor.to_paused(query.cursor)
    async with opened.sessions.session() as session:
        rows = await commands.paused(session, reach_of(caller), query.reason, after, query.limit)
    full = len(rows) == query.limit
    return _page(rows, cursor.of_paused(rows[-1]["at"], rows[-1]["id"]) if full else None)


@reading.get("/ledger", response_model=LedgerPage, responses=documented())
async def read_ledger(
    caller: Reader, opened: Opened, query: Annotated[LedgerQuery, Query()]
) -> Response:
    """List what was decided and asked, and what became of it, newest first."""
    before = None if query.cursor is None else int(query.cursor)
    async with opened.sessions.session() as session:
        rows = await commands.ledger(
            session, reach_of(caller), query.execution, before, query.limit
        )
    return _page(rows, str(rows[-1]["id"]) if len(rows) == query.limit else None)


@reading.get(f"{ONE}/status", response_model=Status, responses={**UNCHANGED, **documented(404)})
async def read_status(
    execution: Execution, caller: Reader, opened: Opened,
    known: Annotated[str | None, Header(alias="If-None-Match", max_length=1000)] = None,
) -> Response:  # fmt: skip
    """Tell how one execution stands; 304 while it stands as the ETag has it."""
    text = (await _read("read_status", opened, caller, execution))["document"]
    tag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
    tags = {each.strip().removeprefix("W/") for each in (known or "").split(",")}
    if tags & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return _as_json(text, {"ETag": tag})


@reading.get(f"{ONE}/explain", response_model=Explanation, responses=documented(404))
async def explain(execution: Execution, caller: Reader, opened: Opened) -> Response:
    """Tell why one execution does not move, and what would move it."""
    return _as_json((await _read("read_explanation", opened, caller, execution))["document"])


@reading.get(f"{ONE}/resume-options", response_model=Options, responses=documented(404))
async def list_options(execution: Execution, caller: Reader, opened: Opened) -> Response:
    """List the moves that are possible now, where each leads, and whether the caller may."""
    row = await _read("read_options", opened, caller, execution)
    found = [
        {**option, **_asked_for(option["move"], execution, caller, opened)}
        for option in moves_of(row)
    ]
    head = {
        "execution": str(execution),
        "status": row["status"],
        "paused_for": row["reason"],
        "pause_number": row["pause_number"],
    }
    return _as_json(dump({**head, "options": found}))


def _asked_for(move: str, execution: UUID, caller: Caller, opened: Doors) -> dict[str, Any]:
    """Return where a move is asked for, and whether this caller may."""
    needed = NEEDS.get(move)
    if needed is None:
        return {"post": None, "needs": None, "permitted": True}
    return {
        "post": f"/api/v1/executions/{execution}/{move}",
        "needs": needed.scope,
        "permitted": caller.may(needed, legacy=opened.legacy),
    }


async def _read(statement: str, opened: Doors, caller: Caller, execution: UUID) -> dict[str, Any]:
    async with opened.sessions.session() as session:
        return await commands.read(session, statement, reach_of(caller), execution)


def _page(rows: list[dict[str, Any]], following: str | None) -> Response:
    items = ",".join(row["document"] for row in rows)
    return _as_json(f'{{"items":[{items}],"next":{dump(following)}}}')


def _as_json(text: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with a document as the database wrote it."""
    return Response(text, media_type="application/json", headers=headers)
