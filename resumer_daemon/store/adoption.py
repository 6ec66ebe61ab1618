"""Executions that the service blocked before we were there; a person says that we look at them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session

BATCH = 500
FIRST = UUID(int=0)


async def blocked_since(
    session: Session, since: datetime, *, batch: int = BATCH
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Yield, in batches, what the service ended as blocked with an approval, and nobody looked at.

    Each batch is a transaction of its own, open while it is looked at.
    """
    after = FIRST
    while True:
        async with session.transaction():
            place = {"since": since, "after": after, "limit": batch, "timezone": session.timezone}
            cursor = await session.run("find_blocked", place)
            found = await cursor.fetchall()
            if found:
                yield found
        if len(found) < batch:
            return
        after = found[-1]["id"]


async def ask(session: Session, found: Sequence[dict[str, Any]]) -> None:
    """Ask a daemon to look at each of them."""
    await session.run("ask_adoption", {"ids": array(row["id"] for row in found)})
