"""Commands of people and programs: start, emit, decide, pause, resume, cancel, retry, hold.

Over HTTP a command reaches the caller's organization only. A row outside it looks like a missing
one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import psycopg

from resumer_daemon.errors import OperationRefused
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import written
from resumer_daemon.workflow.values import Json, dump

Command = Literal["pause", "resume", "retry", "cancel", "hold", "release"]
Verdict = Literal["approve", "reject"]

DECIDE: Final[Mapping[Verdict, str]] = {
    "approve": "commands.approve",
    "reject": "commands.reject",
}

# `resumer_operator` may call the functions and read no table of the service, so that the commands
# without a scope call the functions alone.
SUBMIT: Final[Mapping[Command, str]] = {
    "pause": "commands.pause",
    "resume": "commands.resume",
    "retry": "commands.retry",
    "cancel": "commands.cancel",
    "hold": "commands.hold",
    "release": "commands.release",
}
SUBMIT_IN_SCOPE: Final[Mapping[Command, str]] = {
    "pause": "commands.pause_in_scope",
    "resume": "commands.resume_in_scope",
    "retry": "commands.retry_in_scope",
    "cancel": "commands.cancel_in_scope",
    "hold": "commands.hold_in_scope",
    "release": "commands.release_in_scope",
}


async def start(
    session: Session,
    workflow: str,
    payload: Json,
    version: str | None = None,
    organization: UUID | None = None,
) -> str:
    """Queue an execution and return its id.

    Raises:
        OperationRefused: The SQL function refused it.
    """
    facts = {
        "workflow": workflow,
        "payload": dump(payload),
        "version": version,
        "organization": organization,
    }
    rows = await run(session, "commands.start", facts)
    return str(rows[0]["id"])


async def start_like(
    session: Session,
    workflow: str,
    like: str,
    version: str | None = None,
    organization: UUID | None = None,
) -> str:
    """Queue an execution with the payload of the execution `like`. Return and raise as `start`."""
    facts = {"workflow": workflow, "like": like, "version": version, "organization": organization}
    rows = await run(session, "commands.start_like", facts)
    return str(rows[0]["id"])


async def execution_key(session: Session, execution: str) -> str:
    """Return the `execution_id` of an execution."""
    rows = await run(session, "commands.execution_key", {"id": execution})
    return str(rows[0]["key"])


async def emit(
    session: Session, event_type: str, payload: Json, organization: UUID | None = None
) -> str:
    """Write an event and return its id. Raises `OperationRefused`."""
    facts = {"type": event_type, "payload": dump(payload), "organization": organization}
    rows = await run(session, "commands.emit", facts)
    return str(rows[0]["id"])


async def decide(
    session: Session, verdict: Verdict, request: str, approver: UUID | None, reason: str | None
) -> int | None:
    """Write a decision; return the id of its request, or None if a trigger is missing.

    Raises:
        OperationRefused: The SQL function refused it.
    """
    facts = {"request": request, "approver": approver, "reason": reason}
    request_id: int | None = (await run(session, DECIDE[verdict], facts))[0]["request"]
    return request_id


async def submit(session: Session, command: Command, facts: Mapping[str, Any]) -> int:
    """Submit a command as the session's role.

    Return the id of the request or of the hold; of `release`, how many executions continue.

    Raises:
        OperationRefused: The SQL function refused it.
    """
    rows = await run(session, SUBMIT[command], facts)
    request: int = rows[0]["request"]
    return request


async def upsert_workflow(session: Session, document: Mapping[str, Json]) -> None:
    """Insert or update a workflow, for `dev`."""
    async with session.transaction():
        await session.run(
            "commands.upsert_workflow",
            {
                "workflow": document["workflow_id"],
                "version": document["version"],
                "name": document["name"],
                "definition": dump(document),
            },
        )


async def run(session: Session, statement: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a statement in a transaction of its own and return its rows.

    Raises:
        OperationRefused: An SQL function refused it. The message has its hint.
    """
    try:
        async with session.transaction():
            return await session.fetch_all(statement, facts)
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(("RZ", "22")):
            hint = f"\n  {error.diag.message_hint}" if error.diag.message_hint else ""
            raise OperationRefused(f"{error.diag.message_primary}{hint}") from error
        raise


def decide_by_update(request: str, status: str) -> str:
    """Return a decision as a plain UPDATE, to run or to paste."""
    return written("commands.decide_by_update", request=request, status=status)


async def resume_latency(session: Session, execution: str) -> float | None:
    """Return the seconds from the statement of the last decision until it was settled.

    None if no decision is settled.
    """
    async with session.transaction():
        row = await session.fetch_optional("commands.resume_latency", {"id": execution})
    return None if row is None else row["seconds"]


FIRST = UUID(int=0)


class NotFound(OperationRefused):
    """The execution or workflow does not exist, or belongs to another organization."""


class IdempotencyConflict(OperationRefused):
    """The Idempotency-Key was used for another command."""


@dataclass(frozen=True, slots=True)
class AccessScope:
    """An organization, or `everywhere`. In a database without organizations all see everything."""

    organization: UUID | None
    everywhere: bool

    def facts(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of a statement in this scope."""
        return {"organization": self.organization, "everywhere": self.everywhere, **more}


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An Idempotency-Key and the identity of its caller."""

    caller: str
    key: str


async def submit_in_scope(
    session: Session, command: Command, facts: Mapping[str, Any], key: IdempotencyKey | None
) -> int:
    """Submit a command within the scope in `facts`; return as `submit`.

    If the key was used for the same command before, return the earlier result.

    Raises:
        NotFound: The execution or the workflow is not in scope.
        IdempotencyConflict: The key was used for another command.
    """
    statement = SUBMIT_IN_SCOPE[command]
    async with session.transaction():
        if key is None:
            return await _request(session, statement, facts)
        await session.run("commands.prune_idempotency_keys")
        fingerprint = sha256(repr((command, sorted(facts.items()))).encode()).hexdigest()
        named = {"caller": key.caller, "key": key.key}
        taken = await session.fetch_one(
            "commands.take_idempotency_key", {**named, "fingerprint": fingerprint}
        )
        if taken["fingerprint"] != fingerprint:
            raise IdempotencyConflict(
                f"the Idempotency-Key {key.key!r} was used for another command"
            )
        if taken["request"] is None:
            taken["request"] = await _request(session, statement, facts)
            await session.run(
                "commands.store_idempotency_key", {**named, "request": taken["request"]}
            )
    request: int = taken["request"]
    return request


async def _request(session: Session, statement: str, facts: Mapping[str, Any]) -> int:
    row = await session.fetch_optional(statement, facts)
    if row is None:
        what = "execution" if "execution" in facts else "workflow"
        raise NotFound(f"no {what} {facts[what]}")
    request: int = row["request"]
    return request


BATCH = 500


async def find_blocked(
    session: Session, since: datetime | timedelta, *, batch: int = BATCH
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Yield executions in batches that the service ended as blocked and that have no pause.

    `since` is a time, or a duration before now. Each batch has its own transaction, which is open
    until the next one is requested.
    """
    after = FIRST
    ago = since.total_seconds() if isinstance(since, timedelta) else None
    begin = None if isinstance(since, timedelta) else since
    while True:
        async with session.transaction():
            found = await session.fetch_all(
                "commands.find_blocked",
                {"since": begin, "ago": ago, "after": after, "limit": batch,
                 "timezone": session.timezone},
            )  # fmt: skip
            if found:
                yield found
        if len(found) < batch:
            return
        after = found[-1]["id"]


async def request_adoption(session: Session, found: Sequence[dict[str, Any]]) -> None:
    """Request that a daemon adopts each of them."""
    await session.run("commands.request_adoption", {"ids": array(row["id"] for row in found)})
