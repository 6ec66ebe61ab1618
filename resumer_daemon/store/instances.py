"""Register a daemon process, record its heartbeats, and delete it when it stops."""

from typing import Any
from uuid import UUID

import psycopg
from psycopg import IsolationLevel

from resumer_daemon.store.connection import ARGUMENTS, settings
from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import load


async def register(session: Session, instance: UUID, **facts: object) -> None:
    """Add an instance, and write the settings that the SQL functions read into the control row."""
    async with session.transaction():
        await session.run("instances.register", {"id": instance, **facts})


async def delete(session: Session, instance: UUID) -> None:
    """Delete an instance that stops; another need not wait until its heartbeats are missed."""
    async with session.transaction():
        await session.run("instances.delete", {"id": instance})


def connect_for_heartbeats(url: str) -> psycopg.Connection[Any]:
    """Return a blocking connection: a thread of its own sends the heartbeats."""
    connection = psycopg.connect(
        url,
        autocommit=True,
        prepare_threshold=None,
        application_name="resumer-heartbeat",
        **ARGUMENTS,
    )
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    connection.deferrable = False
    return connection


def record_heartbeat(connection: psycopg.Connection[Any], instance: UUID) -> bool:
    """Record that an instance is alive; return False where it was declared dead."""
    with connection.transaction():
        connection.execute(*settings(local=True))
        connection.execute(load("instances.disable_timeouts"))
        return connection.execute(load("instances.heartbeat"), {"id": instance}).rowcount > 0
