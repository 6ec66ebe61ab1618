"""Looking without touching: one view of the database, in which nothing can be written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg import IsolationLevel

from resumer_daemon.engine.compatibility import PausePoint
from resumer_daemon.engine.state import Ways
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import load


@dataclass(frozen=True, slots=True)
class PausedPlace:
    """Executions that are paused at the same place. `kept`: each goes on with its own copy."""

    version: str
    point: PausePoint
    kept: bool
    since: datetime | None
    executions: tuple[str, ...]


@asynccontextmanager
async def snapshot(session: Session) -> AsyncIterator[None]:
    """Read everything inside as of one moment; a write would be an error of the server."""
    await session.connection.set_read_only(True)
    await session.connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    async with session.transaction():
        yield


async def paused_places(session: Session, workflow: str) -> list[PausedPlace]:
    """Return where the executions of a workflow are paused, in all of its versions."""
    facts = {"workflow": workflow, "timezone": session.timezone}
    cursor = await session.run("paused_of_workflow", facts)
    return [
        PausedPlace(
            row["version"],
            PausePoint(row["step_id"], row["reason"], Ways(**load(row["ways"]))),
            row["kept"],
            row["since"],
            tuple(row["executions"]),
        )
        for row in await cursor.fetchall()
    ]
