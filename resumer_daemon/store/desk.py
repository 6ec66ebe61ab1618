"""What people ask for: lists, one execution, a start, a decision. Each is one statement."""

from collections.abc import Mapping
from typing import Any

import psycopg

from resumer_daemon.errors import Refused
from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import written
from resumer_daemon.workflow.values import Json, dump, load

DOCUMENTS = ("steps", "pauses", "approvals", "requests", "resume_data")


async def list_executions(session: Session, status: str | None, limit: int) -> list[dict[str, Any]]:
    """Return executions, newest first."""
    async with session.transaction():
        cursor = await session.run("list_executions", {"status": status, "limit": limit})
        return await cursor.fetchall()


async def show_execution(session: Session, key: str) -> dict[str, Any]:
    """Return one execution with its steps, pauses, approvals and requests.

    Raises:
        Refused: There is no such execution.
    """
    async with session.transaction():
        cursor = await session.run("show_execution", {"key": key})
        row = await cursor.fetchone()
    if row is None:
        raise Refused(f"no execution {key!r}")
    return {name: _read(value) if name in DOCUMENTS else value for name, value in row.items()}


async def start(
    session: Session,
    workflow: str,
    payload: Json,
    version: str | None = None,
    organization: str | None = None,
) -> str:
    """Queue an execution and return its id. Raises `Refused` with the database's own words."""
    facts = {
        "workflow": workflow,
        "payload": dump(payload),
        "version": version,
        "organization": organization,
    }
    rows = await _asked(session, "start", facts)
    return str(rows[0]["id"])


async def emit(
    session: Session, event_type: str, payload: Json, organization: str | None = None
) -> str:
    """Write an event and return its id. Raises `Refused` with the database's own words."""
    facts = {"type": event_type, "payload": dump(payload), "organization": organization}
    rows = await _asked(session, "emit", facts)
    return str(rows[0]["id"])


async def decide(
    session: Session, verdict: str, request: str, approver: str | None, reason: str | None
) -> None:
    """Write a decision, `approve` or `reject`. Raises `Refused` with the database's own words."""
    await _asked(session, verdict, {"request": request, "approver": approver, "reason": reason})


async def ask(session: Session, move: str, facts: Mapping[str, Any]) -> int:
    """Ask by `ask_resume`, `ask_retry` or `ask_cancel`; return the request's id.

    Raises:
        Refused: With the database's own words.
    """
    rows = await _asked(session, move, facts)
    request: int = rows[0]["request"]
    return request


async def load_workflow(session: Session, document: Mapping[str, Json]) -> None:
    """Put a definition into `workflows`, for development."""
    async with session.transaction():
        await session.run(
            "load_workflow",
            {
                "workflow": document["workflow_id"],
                "version": document["version"],
                "name": document["name"],
                "definition": dump(document),
            },
        )


async def _asked(
    session: Session, statement: str, facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    try:
        async with session.transaction():
            cursor = await session.run(statement, facts)
            return await cursor.fetchall()
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(("RZ", "22")):
            hint = f"\n  {error.diag.message_hint}" if error.diag.message_hint else ""
            raise Refused(f"{error.diag.message_primary}{hint}") from error
        raise


def _read(text: str | None) -> Json:
    return None if text is None else load(text)


def plain_decision(request: str, status: str) -> str:
    """Return a decision as a plain UPDATE, to be run or pasted."""
    return written("plain_decision", request=request, status=status)


async def resumed_after(session: Session, execution: str) -> float | None:
    """Return the seconds from the last decision's statement until it was settled."""
    async with session.transaction():
        cursor = await session.run("resumed_after", {"id": execution})
        row = await cursor.fetchone()
    return None if row is None else row["seconds"]
