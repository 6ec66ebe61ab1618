"""What one caller sees and moves: within its reach, and nothing beyond is told from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args
from uuid import UUID

from resumer_daemon.errors import Refused
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session

FIRST = UUID(int=0)
NEWEST = 2**63 - 1
Reason = Literal["approval_required", "waiting_for_event", "waiting_for_time", "manual", "incident"]


class Unknown(Refused):
    """There is no such execution or workflow, or it is another organisation's."""


class KeyReused(Refused):
    """Something else was asked under this Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Reach:
    """An organisation, or `everywhere`. Where the database has none, all reach all."""

    organization: UUID | None
    everywhere: bool

    def facts(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of a statement."""
        return {"organization": self.organization, "everywhere": self.everywhere, **more}


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key, and whose."""

    caller: str
    key: str


async def read(session: Session, statement: str, reach: Reach, execution: UUID) -> dict[str, Any]:
    """Return the one row that a statement has of an execution.

    Raises:
        Unknown: It is not within reach.
    """
    async with session.transaction():
        cursor = await session.run(statement, reach.facts(execution=execution))
        row = await cursor.fetchone()
    if row is None:
        raise Unknown(f"no execution {execution}")
    return row


async def paused(
    session: Session, reach: Reach, reason: Reason | None, after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return paused executions, for longest first, those behind `after`, each with its document."""
    at, last = after or (None, FIRST)
    reasons = array([reason] if reason else get_args(Reason))
    facts = reach.facts(reasons=reasons, at=at, id=last, limit=limit)
    async with session.transaction():
        return await (await session.run("page_paused", facts)).fetchall()


async def ledger(
    session: Session, reach: Reach, execution: UUID | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return settled requests, newest first, those older than `before`, each with its document."""
    facts = reach.facts(
        execution=execution, before=NEWEST if before is None else before, limit=limit
    )
    async with session.transaction():
        return await (await session.run("page_ledger", facts)).fetchall()


async def request_in_scope(
    session: Session, statement: str, facts: Mapping[str, Any], key: Key | None
) -> int:
    """Ask for a move, and return what the statement does, a request's id by most.

    Under a key that was used for just that it is what was returned then.

    Raises:
        Unknown: The execution or the workflow is not within reach.
        KeyReused: The key was used for something else.
    """
    async with session.transaction():
        if key is None:
            return await _left(session, statement, facts)
        await session.run("trim_idempotency_keys")
        fingerprint = sha256(repr((statement, sorted(facts.items()))).encode()).hexdigest()
        named = {"caller": key.caller, "key": key.key}
        cursor = await session.run("take_idempotency_key", {**named, "fingerprint": fingerprint})
        [taken] = await cursor.fetchall()
        if taken["fingerprint"] != fingerprint:
            raise KeyReused(f"something else was asked under the Idempotency-Key {key.key!r}")
        if taken["request"] is None:
            taken["request"] = await _left(session, statement, facts)
            await session.run("keep_idempotency_key", {**named, "request": taken["request"]})
    request: int = taken["request"]
    return request


async def _left(session: Session, statement: str, facts: Mapping[str, Any]) -> int:
    row = await (await session.run(statement, facts)).fetchone()
    if row is None:
        what = "execution" if "execution" in facts else "workflow"
        raise Unknown(f"no {what} {facts[what]}")
    request: int = row["request"]
    return request
