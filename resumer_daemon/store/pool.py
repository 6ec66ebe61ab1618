"""Sessions for work that comes and goes: none while nothing runs, a few while effects do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from resumer_daemon.store.connect import ARGUMENTS, prepare
from resumer_daemon.store.contract import probe, search_path
from resumer_daemon.store.database import Database
from resumer_daemon.store.session import Session


class Pool:
    """A bounded pool of sessions; nobody holds one while an effect is under way."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._features: frozenset[str] | None = None
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[object, ...]]] = AsyncConnectionPool(
            database.url,
            kwargs={**ARGUMENTS, "application_name": "resumer-effects"},
            configure=prepare,
            min_size=0,
            max_size=size,
            timeout=10.0,
            max_idle=60.0,
            open=False,
        )

    async def open(self) -> None:
        """Begin to give out sessions."""
        await self._pool.open()

    async def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        await self._pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session. Raises psycopg's errors where the database is away."""
        async with self._pool.connection() as connection:
            if self._features is None:
                self._features = await probe(connection, self._database.schema)
                await connection.rollback()
            path = search_path(connection, self._database.schema)
            yield Session(connection, self._features, path, self._database.timezone)
