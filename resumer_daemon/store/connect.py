"""Connections: how one is opened, and what its failures mean."""

from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncConnection, IsolationLevel

from resumer_daemon.errors import Unreachable
from resumer_daemon.store.deadline import answered
from resumer_daemon.store.statements import load

Connection: TypeAlias = AsyncConnection[Any]

ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


async def connect(
    url: str, *, autocommit: bool = False, name: str = "resumer-daemon"
) -> Connection:
    """Open a connection to a server that takes writes.

    Raises:
        Unreachable: Nobody answers there, or not as we can use it; the message holds no password.
    """
    try:
        connection: Connection = await AsyncConnection.connect(
            url, autocommit=autocommit, application_name=name, **ARGUMENTS
        )
    except psycopg.Error as error:
        raise Unreachable(f"cannot connect to the database: {str(error).strip()}") from error
    try:
        await prepare(connection)
    except BaseException:  # whoever is cancelled leaves no connection either
        await connection.close()
        raise
    return connection


async def prepare(connection: Connection) -> None:
    """Make a new connection one of ours. Raises Unreachable where the server is silent."""
    # a role or a database may ask for another level; the protocol is proved for this one
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    # behind a pooler the next transaction may meet another backend, which prepared nothing
    async with answered(connection):
        pooled = await is_pooled(connection)
        connection.prepare_threshold = None if pooled else 0
        if not pooled:  # else each transaction sets its own
            usual = connection.autocommit
            await connection.set_autocommit(True)
            await take_own_path(connection, local=False)
            await connection.set_autocommit(usual)


async def is_pooled(connection: Connection) -> bool:
    """Tell whether something that shares backends stands between us and the server."""
    usual = connection.autocommit
    await connection.set_autocommit(True)  # nothing of a role may end us within a transaction
    cursor = await connection.execute(load("backend_pid"))
    row = await cursor.fetchone()
    await connection.set_autocommit(usual)
    return row != (connection.info.backend_pid,)


async def take_own_path(connection: Connection, *, local: bool) -> None:
    """Let names be looked up in our schema and in PostgreSQL's own, and nowhere else."""
    await connection.execute(load("own_path"), {"local": local})


async def outlive(connection: Connection) -> None:
    """Let a session last, whatever is imposed on it; not for one that shares its backend."""
    await connection.execute(load("outlive"))
