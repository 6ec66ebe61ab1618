"""Everything that is only read, for people and programs: lists, status, explanations, numbers.

A read in a scope sees one organization. A row outside it looks like a missing one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from psycopg import IsolationLevel

from resumer_daemon.engine.vocabulary import PauseReason
from resumer_daemon.store.arrays import array
from resumer_daemon.store.commands import AccessScope, NotFound, run
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, load

if TYPE_CHECKING:
    from resumer_daemon.engine.compatibility import PausePoint

DOCUMENTS = (
    "steps", "pauses", "approvals", "requests", "effects", "messages", "resume_data",
)  # fmt: skip

Sort = Literal["started", "paused", "workflow", "status"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of executions; None lets everything pass.

    `seconds`: paused for at least that long. `sort`: `started` has the newest first, `paused` the
    longest pause first.
    """

    status: str | None = None
    workflow: str | None = None
    reason: str | None = None
    role: str | None = None
    seconds: float | None = None
    sort: Sort = "started"
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Entries:
    """A filter of the ledger; None lets everything pass. `seconds`: not older than that."""

    key: str | None = None
    kind: str | None = None
    outcome: str | None = None
    seconds: float | None = None
    limit: int = 50


async def list_executions(session: Session, wanted: Filter) -> list[dict[str, Any]]:
    """Return the executions that pass a filter."""
    facts = {**asdict(wanted), "timezone": session.timezone}
    return await run(session, "queries.list_executions", facts)


async def select_executions(
    session: Session,
    statuses: str,
    workflow: str | None,
    reason: str | None,
    seconds: float | None,
) -> list[dict[str, Any]]:
    """Return the executions of a bulk command; `statuses` is an array literal."""
    facts = {"statuses": statuses, "workflow": workflow, "reason": reason, "seconds": seconds}
    return await run(session, "queries.select_executions", facts)


async def show_execution(session: Session, key: str) -> dict[str, Any]:
    """Return one execution with its steps, pauses, approvals, requests and effects.

    Raises:
        OperationRefused: The execution does not exist.
    """
    facts = {"key": key, "timezone": session.timezone}
    [row] = await run(session, "queries.show_execution", facts)
    return {name: _read(value) if name in DOCUMENTS else value for name, value in row.items()}


async def explain(session: Session, key: str) -> dict[str, Any]:
    """Return why an execution does not continue. Raises `OperationRefused`: it does not exist."""
    [row] = await run(session, "queries.explain", {"key": key})
    explained: dict[str, Any] = load(row["explained"])
    return explained


async def list_ledger(session: Session, wanted: Entries) -> list[dict[str, Any]]:
    """Return settled requests, newest first. Raises `OperationRefused`: no such execution."""
    return await run(session, "queries.list_ledger", asdict(wanted))


async def list_incidents(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return open incidents, the oldest first."""
    return await run(session, "queries.list_incidents", {"limit": limit})


async def stats(session: Session) -> dict[str, Any]:
    """Return the numbers of `stats`."""
    [row] = await run(session, "queries.stats", {})
    numbers: dict[str, Any] = load(row["stats"])
    return numbers


def _read(text: str | None) -> Json:
    return None if text is None else load(text)


@dataclass(frozen=True, slots=True)
class PausedPlace:
    """Executions that are paused at the same place. `kept`: each has a copy of its definition."""

    version: str
    point: "PausePoint"
    kept: bool
    since: datetime | None
    executions: tuple[str, ...]


@asynccontextmanager
async def read_snapshot(session: Session) -> AsyncIterator[None]:
    """Read everything inside from one snapshot; the server refuses writes."""
    await session.connection.set_read_only(True)
    await session.connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    async with session.transaction():
        yield


async def paused_by_step(session: Session, workflow: str) -> list[PausedPlace]:
    """Return the places where executions of a workflow are paused, in all its versions."""
    from resumer_daemon.engine.compatibility import PausePoint
    from resumer_daemon.engine.state import NextSteps

    facts = {"workflow": workflow, "timezone": session.timezone}
    return [
        PausedPlace(
            row["version"],
            PausePoint(row["step_id"], row["reason"], NextSteps.from_json(load(row["next_steps"]))),
            row["kept"],
            row["since"],
            tuple(row["executions"]),
        )
        for row in await session.fetch_all("queries.paused_by_step", facts)
    ]


FIRST = UUID(int=0)
NEWEST = 2**63 - 1


async def read_status(session: Session, scope: AccessScope, execution: UUID) -> str:
    """Return the status of an execution as a JSON document. Raises `NotFound`: not in scope."""
    document: str = (await _read_in_scope(session, "queries.status_in_scope", scope, execution))[
        "document"
    ]
    return document


async def explain_in_scope(session: Session, scope: AccessScope, execution: UUID) -> str:
    """Return why an execution does not continue, as a JSON document. Raises `NotFound`."""
    document: str = (await _read_in_scope(session, "queries.explain_in_scope", scope, execution))[
        "document"
    ]
    return document


async def read_resume_options(
    session: Session, scope: AccessScope, execution: UUID
) -> dict[str, Any]:
    """Return the facts that decide which moves are possible. Raises `NotFound`: not in scope."""
    return await _read_in_scope(session, "queries.resume_options_in_scope", scope, execution)


async def _read_in_scope(
    session: Session, statement: str, scope: AccessScope, execution: UUID
) -> dict[str, Any]:
    async with session.transaction():
        row = await session.fetch_optional(statement, scope.facts(execution=execution))
    if row is None:
        raise NotFound(f"no execution {execution}")
    return row


async def find_in_scope(session: Session, scope: AccessScope, key: str) -> UUID:
    """Return the id of the execution with this `execution_id`. Raises `NotFound`: not in scope."""
    async with session.transaction():
        row = await session.fetch_optional("queries.find_in_scope", scope.facts(key=key))
    if row is None:
        raise NotFound(f"no execution {key}")
    found: UUID = row["id"]
    return found


async def read_key(session: Session, scope: AccessScope, execution: UUID) -> str:
    """Return the `execution_id` of the execution with this id. Raises `NotFound`: not in scope."""
    key: str = (await _read_in_scope(session, "queries.key_in_scope", scope, execution))["key"]
    return key


async def page_paused(
    session: Session,
    scope: AccessScope,
    reason: PauseReason | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return a page of paused executions after `after`, the longest pause first."""
    at, last = after or (None, FIRST)
    reasons = array([reason] if reason else get_args(PauseReason))
    facts = scope.facts(reasons=reasons, at=at, id=last, limit=limit)
    async with session.transaction():
        return await session.fetch_all("queries.page_paused", facts)


async def page_ledger(
    session: Session, scope: AccessScope, execution: UUID | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return a page of settled requests before `before`, newest first."""
    facts = scope.facts(
        execution=execution, before=NEWEST if before is None else before, limit=limit
    )
    async with session.transaction():
        return await session.fetch_all("queries.page_ledger", facts)
