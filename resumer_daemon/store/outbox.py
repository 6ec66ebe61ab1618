"""The outbox: messages to deliver, each claimed for one attempt; and records in mapped tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, dump, load


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed notification. `attempt` counts from 1, `delivered_to` are its former recipients."""

    key: str
    execution: str
    body: dict[str, Json]
    attempt: int
    delivered_to: tuple[str, ...]


async def claim(session: Session, limit: int, seconds: float, back: float = ALL) -> list[Message]:
    """Take due notifications; unless they are settled, they are due again after `seconds`.

    They became due so many seconds `back` at most.
    """
    facts = {"limit": limit, "seconds": seconds, "back": back}
    async with session.transaction():
        cursor = await session.run("outbox.claim_messages", facts)
        return [
            Message(r["key"], r["execution"], load(r["body"]), r["attempts"], r["reached"])
            for r in await cursor.fetchall()
        ]


async def settle(
    session: Session,
    message: Message,
    state: str,
    reached: Sequence[str],
    error: str | None = None,
    again_in: float = 0.0,
) -> bool:
    """Record what an attempt came to; false: its time was over, and it is somebody else's."""
    facts = {
        "key": message.key,
        "attempt": message.attempt,
        "state": state,
        "reached": array(reached),
        "error": error,
        "again_in": again_in,
    }
    async with session.transaction():
        cursor = await session.run("outbox.settle_message", facts)
        return await cursor.fetchone() is not None


async def postpone(
    session: Session, message: Message, reached: Sequence[str], error: str, again_in: float
) -> None:
    """Take an attempt back that could not be made; the message is due again after so long."""
    facts = {
        "key": message.key,
        "attempt": message.attempt,
        "reached": array(reached),
        "error": error,
        "again_in": again_in,
    }
    async with session.transaction():
        await session.run("outbox.postpone_message", facts)


async def list_messages(session: Session, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Return messages, the oldest of a state first."""
    async with session.transaction():
        cursor = await session.run("outbox.list_messages", {"state": state, "limit": limit})
        return await cursor.fetchall()


async def retry(session: Session, keys: Sequence[str] | None) -> list[str]:
    """Make dead messages due again, all of them without keys; return the keys of those."""
    async with session.transaction():
        named = {"keys": None if keys is None else array(keys)}
        cursor = await session.run("outbox.retry_messages", named)
        return [row["key"] for row in await cursor.fetchall()]


FAULTS = ("22", "42")  # classes of SQLSTATE that another attempt does not mend: data, names


async def write(session: Session, request: Mapping[str, Json]) -> EffectResult:
    """Write one record in the transaction at hand; a refusal is a result."""
    named = request["table"].split(".")
    place = named if len(named) > 1 else [session.schema, *named]
    facts = {
        "table": sql.Identifier(*place).as_string(),
        "key": request["key"],
        "identity": request.get("entity_id"),
        "data": dump(request["data"]),
        "search_path": session.service_path.path,
    }
    cursor = await session.run("outbox.write_record", facts)
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a function has always an answer")
    if row["error"] is None:
        return EffectResult(data={"id": row["written"]})
    state = row["failed_as"]
    failed_as = "fault" if state.startswith(FAULTS) else state
    return EffectResult(f"record refused ({state}): {row['error']}", failed_as, sent=False)
