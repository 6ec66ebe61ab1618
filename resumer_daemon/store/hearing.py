"""LISTEN, and the ping that must come back: the only proof that notifications arrive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from resumer_daemon.store.connect import Connection, connect
from resumer_daemon.store.statements import load

PING = "ping"


async def listen(connection: Connection) -> None:
    """Listen for what wakes us, for as long as the session lasts."""
    await connection.execute(load("listen"))


async def ping(connection: Connection) -> None:
    """Notify ourselves, with the payload that wakes nobody."""
    await connection.execute(load("ping"))


async def hear(connection: Connection, seconds: float) -> list[str]:
    """Return the payloads of the first notification and of all that came in the same packet.

    To the end, for what a generator has read and not told is forgotten. None in `seconds`: empty.
    """
    return [note.payload async for note in connection.notifies(timeout=seconds, stop_after=1)]


@asynccontextmanager
async def sender(connection: Connection, url: str) -> AsyncIterator[Connection]:
    """Yield who must send the ping that `connection` hears, if that shall prove anything.

    Through a pooler its own would come back together with the answer to it, from a backend that
    it shares for just that moment; what others say would never arrive.
    """
    if connection.prepare_threshold is not None:
        yield connection
        return
    async with await connect(url, autocommit=True, name="resumer-ping") as another:
        yield another
