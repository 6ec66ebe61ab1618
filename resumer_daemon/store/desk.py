"""The commands of people: start, event, decision, move, hold. Each is one statement."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg

from resumer_daemon.errors import Refused
from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import written
from resumer_daemon.workflow.values import Json, dump


async def start(
    session: Session,
    workflow: str,
    payload: Json,
    version: str | None = None,
    organization: UUID | None = None,
) -> str:
    """Queue an execution and return its id. Raises `Refused` with the database's own words."""
    facts = {
        "workflow": workflow,
        "payload": dump(payload),
        "version": version,
        "organization": organization,
    }
    rows = await asked(session, "start", facts)
    return str(rows[0]["id"])


async def emit(
    session: Session, event_type: str, payload: Json, organization: UUID | None = None
) -> str:
    """Write an event and return its id. Raises `Refused` with the database's own words."""
    facts = {"type": event_type, "payload": dump(payload), "organization": organization}
    rows = await asked(session, "emit", facts)
    return str(rows[0]["id"])


async def decide(
    session: Session, verdict: str, request: str, approver: UUID | None, reason: str | None
) -> int | None:
    """Write a decision, `approve` or `reject`; return its request's id, `None` where none was left.

    Raises:
        Refused: With the database's own words.
    """
    facts = {"request": request, "approver": approver, "reason": reason}
    left: int | None = (await asked(session, verdict, facts))[0]["request"]
    return left


async def request_move(session: Session, move: str, facts: Mapping[str, Any]) -> int:
    """Ask by one of the statements `ask_...`; return what it returns, the request's id by most.

    Raises:
        Refused: With the database's own words.
    """
    rows = await asked(session, move, facts)
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


async def asked(session: Session, statement: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a statement; what the database refuses is `Refused` with its own words and hint."""
    try:
        async with session.transaction():
            cursor = await session.run(statement, facts)
            return await cursor.fetchall()
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(("RZ", "22")):
            hint = f"\n  {error.diag.message_hint}" if error.diag.message_hint else ""
            raise Refused(f"{error.diag.message_primary}{hint}") from error
        raise


def plain_decision(request: str, status: str) -> str:
    """Return a decision as a plain UPDATE, to be run or pasted."""
    return written("plain_decision", request=request, status=status)


async def resumed_after(session: Session, execution: str) -> float | None:
    """Return the seconds from the last decision's statement until it was settled."""
    async with session.transaction():
        cursor = await session.run("resumed_after", {"id": execution})
        row = await cursor.fetchone()
    return None if row is None else row["seconds"]
