"""Open a connection, LISTEN on it, and notice a server that no longer responds.

Keepalives do not notice a proxy that still responds for a dead server, and to cancel a query
there waits for the same dead path. So the socket is shut down: whoever waits for it fails at
once.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncConnection, IsolationLevel

from resumer_daemon.errors import Unreachable
from resumer_daemon.store.statements import load

Connection: TypeAlias = AsyncConnection[Any]

ARGUMENTS: dict[str, Any] = {
    "client_encoding": "UTF8",  # in the first packet, which goes over what a role or database says
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

READING: dict[str, Any] = {**ARGUMENTS, "target_session_attrs": "any"}
"""The arguments of a connection that only reads: a standby will do."""


async def connect(
    url: str, *, autocommit: bool = False, name: str = "resumer-daemon", reads: bool = False
) -> Connection:
    """Open a connection to a server that takes writes, or, where it only `reads`, to any.

    Raises:
        Unreachable: Nobody answers there, or not as we can use it; the message holds no password.
    """
    try:
        connection: Connection = await AsyncConnection.connect(
            url, autocommit=autocommit, application_name=name, **(READING if reads else ARGUMENTS)
        )
    except psycopg.Error as error:
        raise Unreachable(f"cannot connect to the database: {str(error).strip()}") from error
    try:
        await prepare(connection, reads=reads)
    except BaseException:  # whoever is cancelled leaves no connection either
        await connection.close()
        raise
    return connection


async def prepare(connection: Connection, *, reads: bool = False) -> None:
    """Make a new connection one of ours. Raises Unreachable where the server is silent.

    Where it keeps its backend it has `settings` from here on; else each transaction makes them.
    """
    # each BEGIN says so: a role or a database may ask for others; the protocol is proved for these.
    # `default_transaction_read_only` alone is obeyed: who sets it wants that nobody writes
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    await connection.set_read_only(True if reads else None)
    await connection.set_deferrable(False)
    # behind a pooler the next transaction may meet another backend, which prepared nothing
    async with response_timeout(connection):
        pooled = await is_pooled(connection)
        connection.prepare_threshold = None if pooled else 0
        if not pooled:
            await connection.execute(*settings(local=False))
            if not connection.autocommit:
                await connection.commit()


def settings(*, local: bool) -> tuple[bytes, Mapping[str, bool]]:
    """Return what makes the settings of ours, for the session or for the transaction at hand."""
    return load("connection.apply_settings"), {"local": local}


async def settle_pooled(connection: Connection) -> None:
    """Make the settings of the transaction at hand, where a shared backend serves it."""
    if connection.prepare_threshold is None:
        await connection.execute(*settings(local=True))


async def is_pooled(connection: Connection) -> bool:
    """Tell whether something that shares backends stands between us and the server."""
    usual = connection.autocommit
    await connection.set_autocommit(False)  # for a BEGIN of ours
    async with connection.pipeline():  # at once: nothing of a role may end us within a transaction
        cursor = await connection.execute(load("connection.backend_pid"))
        await connection.commit()
    row = await cursor.fetchone()
    await connection.set_autocommit(usual)
    return row != (connection.info.backend_pid,)


SILENCE = 20.0  # seconds for a transaction; the server ends a statement of ours after ten


@asynccontextmanager
async def response_timeout(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Do what is inside within `SILENCE`, or hang up.

    Raises:
        Unreachable: The server did not answer in time; what was committed is not known.
    """
    silent = asyncio.Event()

    def give_up() -> None:
        silent.set()
        shutdown_socket(connection)

    closing = asyncio.get_running_loop().call_later(SILENCE, give_up)
    try:
        yield
    except psycopg.Error as error:
        if silent.is_set():
            raise Unreachable(f"the database did not answer within {SILENCE:g} s") from error
        raise
    finally:
        closing.cancel()


def shutdown_socket(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """Shut the socket down, from whatever thread; the connection itself notices by that."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


PING = "ping"


async def listen(connection: Connection) -> None:
    """Listen for what wakes us, for as long as the session lasts."""
    await connection.execute(load("connection.listen"))


async def ping(connection: Connection) -> None:
    """Notify ourselves, with the payload that wakes nobody."""
    await connection.execute(load("connection.ping"))


async def receive_notifications(connection: Connection, seconds: float) -> list[str]:
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
