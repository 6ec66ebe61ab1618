"""The outbox, where a claim allows one attempt, and the writing of records to mapped tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import UNBOUNDED
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


async def claim(
    session: Session, limit: int, seconds: float, lookback: float = UNBOUNDED
) -> list[Message]:
    """Claim due messages that became due in the last `lookback` seconds.

    Those that are not settled are due again after `seconds`.
    """
    facts = {"limit": limit, "seconds": seconds, "back": lookback}
    async with session.transaction():
        rows = await session.fetch_all("outbox.claim_messages", facts)
        return [
            Message(r["key"], r["execution"], load(r["body"]), r["attempts"], r["delivered_to"])
            for r in rows
        ]


async def settle(
    session: Session,
    message: Message,
    state: str,
    delivered_to: Sequence[str],
    error: str | None = None,
    retry_in: float = 0.0,
) -> bool:
    """Record an attempt. A message that stays pending is due in `retry_in` seconds.

    Return False if the claim had expired and another attempt has the message.
    """
    facts = {
        "key": message.key,
        "attempt": message.attempt,
        "state": state,
        "delivered_to": array(delivered_to),
        "error": error,
        "again_in": retry_in,
    }
    async with session.transaction():
        return await session.fetch_optional("outbox.settle_message", facts) is not None


async def postpone(
    session: Session, message: Message, delivered_to: Sequence[str], error: str, retry_in: float
) -> None:
    """Undo a claim whose attempt could not be made. The message is due in `retry_in` seconds."""
    facts = {
        "key": message.key,
        "attempt": message.attempt,
        "delivered_to": array(delivered_to),
        "error": error,
        "again_in": retry_in,
    }
    async with session.transaction():
        await session.run("outbox.postpone_message", facts)


async def list_messages(session: Session, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` messages, oldest first. State None: of every state."""
    async with session.transaction():
        facts = {"state": state, "limit": limit}
        return await session.fetch_all("outbox.list_messages", facts)


async def retry(session: Session, keys: Sequence[str] | None) -> list[str]:
    """Make dead messages due again. Keys None: all of them. Return the keys that were changed."""
    async with session.transaction():
        facts = {"keys": None if keys is None else array(keys)}
        return [row["key"] for row in await session.fetch_all("outbox.retry_messages", facts)]


PERMANENT = ("22", "42")
"""Classes of SQLSTATE that another attempt does not change: wrong data, wrong names."""


async def write(session: Session, request: Mapping[str, Json]) -> EffectResult:
    """Write one record in the current transaction. A failure is a result."""
    parts = request["table"].split(".")
    names = parts if len(parts) > 1 else [session.schema, *parts]
    facts = {
        "table": sql.Identifier(*names).as_string(),
        "key": request["key"],
        "identity": request.get("entity_id"),
        "data": dump(request["data"]),
        "search_path": session.service_path.path,
    }
    row = await session.fetch_one("outbox.write_record", facts)
    if row["error"] is None:
        return EffectResult(data={"id": row["written"]})
    state: str = row["failed_as"]
    retry_class = "fault" if state.startswith(PERMANENT) else state
    return EffectResult(f"record refused ({state}): {row['error']}", retry_class, sent=False)
