"""Executions that the service blocked before we were there; a person says that we look at them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session

BATCH = 500
FIRST = UUID(int=0)


async def blocked_since(
    session: Session, since: datetime | timedelta, *, batch: int = BATCH
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Yield, in batches, what the service ended as blocked with an approval, and nobody looked at.

    `since` is a time, or how long before now. Each batch is a transaction of its own, open while
    it is looked at.
    """
    after = FIRST
    ago = since.total_seconds() if isinstance(since, timedelta) else None
    begin = None if isinstance(since, timedelta) else since
    while True:
        async with session.transaction():
            cursor = await session.run(
                "find_blocked",
                {"since": begin, "ago": ago, "after": after, "limit": batch,
                 "timezone": session.timezone},
            )  # fmt: skip
            found = await cursor.fetchall()
            if found:
                yield found
        if len(found) < batch:
            return
        after = found[-1]["id"]


async def request_adoption(session: Session, found: Sequence[dict[str, Any]]) -> None:
    """Ask a daemon to look at each of them."""
    await session.run("ask_adoption", {"ids": array(row["id"] for row in found)})
