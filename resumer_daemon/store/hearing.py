"""LISTEN, and the ping that must come back: the only proof that notifications arrive."""

from resumer_daemon.store.connect import Connection
from resumer_daemon.store.statements import load

PING = "ping"


async def listen(connection: Connection) -> None:
    """Listen for what wakes us, for as long as the session lasts."""
    await connection.execute(load("hear_out"))
    await connection.execute(load("listen"))


async def ping(connection: Connection) -> None:
    """Notify ourselves, with the payload that wakes nobody."""
    await connection.execute(load("ping"))
