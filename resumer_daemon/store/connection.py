"""Open a connection, LISTEN on it, and notice a server that no longer responds.

Keepalives do not detect a proxy that still responds for a dead server, and cancelling a query would
wait on the same path. Therefore the socket is shut down, and every task that waits for it fails at
once.
"""

import asyncio
import os
import re
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
    "client_encoding": "UTF8",  # in the first packet, which overrides role and database
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

READING: dict[str, Any] = {**ARGUMENTS, "target_session_attrs": "any"}
"""The arguments of a connection that only reads. A standby will do."""


_UNKNOWN_ROLE = re.compile(r'role "[^"]*" does not exist$')


async def connect(
    url: str, *, autocommit: bool = False, name: str = "resumer-daemon", reads: bool = False
) -> Connection:
    """Open a connection to a server that accepts writes, or to any server if it only `reads`.

    Raises:
        Unreachable: The connection failed. The message has no password.
    """
    try:
        connection: Connection = await AsyncConnection.connect(
            url, autocommit=autocommit, application_name=name, **(READING if reads else ARGUMENTS)
        )
    except psycopg.Error as error:
        message = str(error).strip()
        if _UNKNOWN_ROLE.search(message):
            message += "; create it with LOGIN, as a member of resumer_daemon (docs/deployment.md)"
        raise Unreachable(f"cannot connect to the database: {message}") from error
    try:
        await prepare(connection, reads=reads)
    except BaseException:  # a cancelled task leaves no connection either
        await connection.close()
        raise
    return connection


async def prepare(connection: Connection, *, reads: bool = False) -> None:
    """Set up a new connection. Raises `Unreachable` if the server does not respond.

    If it keeps its backend, `settings` apply from now on. Otherwise each transaction applies them.
    """
    # each BEGIN sets these, because a role or a database may impose others, and the protocol needs
    # them. `default_transaction_read_only` is respected: an administrator wants no writes
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
    """Return the statement and parameters that apply the settings of a connection."""
    return load("connection.apply_settings"), {"local": local}


async def apply_settings_if_pooled(connection: Connection) -> None:
    """Apply the settings to this transaction, if a pooler shares the backend."""
    if connection.prepare_threshold is None:
        await connection.execute(*settings(local=True))


async def is_pooled(connection: Connection) -> bool:
    """Return whether the connection goes through a pooler that shares backends."""
    usual = connection.autocommit
    await connection.set_autocommit(False)  # so that psycopg sends BEGIN
    # in one packet, so that a timeout of the role cannot end the session between the two
    async with connection.pipeline():
        cursor = await connection.execute(load("connection.backend_pid"))
        await connection.commit()
    row = await cursor.fetchone()
    await connection.set_autocommit(usual)
    return row != (connection.info.backend_pid,)


SILENCE = 20.0  # seconds for a transaction; the server cancels a statement after ten


@asynccontextmanager
async def response_timeout(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Shut the socket down if the block takes longer than `SILENCE`.

    Raises:
        Unreachable: The server did not respond in time. Whether it committed is unknown.
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
            raise Unreachable(f"the database did not respond within {SILENCE:g} s") from error
        raise
    finally:
        closing.cancel()


def shutdown_socket(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """Shut the socket down, from any thread. The connection then fails."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


PING = "ping"


async def listen(connection: Connection) -> None:
    """LISTEN on the channel that wakes the daemon, for the rest of the session."""
    await connection.execute(load("connection.listen"))


async def ping(connection: Connection) -> None:
    """Send a test notification, whose payload wakes no daemon."""
    await connection.execute(load("connection.ping"))


async def receive_notifications(connection: Connection, seconds: float) -> list[str]:
    """Return the payloads of the first notification and of all in the same packet.

    The generator is read to its end, because psycopg forgets notifications that it has not yielded.
    Return an empty list if none arrives within `seconds`.
    """
    return [note.payload async for note in connection.notifies(timeout=seconds, stop_after=1)]


@asynccontextmanager
async def sender(connection: Connection, url: str) -> AsyncIterator[Connection]:
    """Yield the connection that must send the test notification to `connection`.

    Through a pooler, a notification that the connection sends to itself would come back with the
    response, from a backend that it has only at that moment. Those of others would never arrive.
    """
    if connection.prepare_threshold is not None:
        yield connection
        return
    async with await connect(url, autocommit=True, name="resumer-ping") as another:
        yield another
