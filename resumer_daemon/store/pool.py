"""Sessions for work that comes and goes: the background tasks', and a few while effects run."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from psycopg import errors
from psycopg_pool import AsyncConnectionPool

from resumer_daemon.store.connect import ARGUMENTS, Connection, prepare
from resumer_daemon.store.database import Database
from resumer_daemon.store.session import Session

# what the service has altered under us: columns went, came, or are of another type; or it has a
# trigger now, which needs the path that role and database set
CHANGED = (
    errors.UndefinedColumn,
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.FeatureNotSupported,
)


class Pool:
    """A bounded pool of sessions; nobody holds one while an effect is under way."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._like: Session | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database.url,
            kwargs={**ARGUMENTS, "application_name": "resumer-pool"},
            configure=self._configure,
            min_size=0,
            max_size=size,
            timeout=10.0,
            reconnect_timeout=5.0,  # then it begins anew, at short intervals
            max_idle=60.0,
            open=False,
        )

    async def open(self) -> None:
        """Begin to give out sessions."""
        await self._pool.open()

    async def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        await self._pool.close()

    def stats(self) -> Mapping[str, int]:
        """Return what it counts of itself, under the names of psycopg_pool."""
        return self._pool.get_stats()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session. Raises psycopg's errors where the database is away."""
        async with self._pool.connection() as connection:
            if self._like is None:
                raise LookupError("a connection of the pool was configured, or not given out")
            try:
                yield replace(self._like, connection=connection)
            except CHANGED:
                await connection.close()  # the next one is probed anew
                raise

    async def require(self) -> None:
        """Make sure that a session can be had. Raises psycopg's errors where none can in time.

        The server is asked: what it has ended looks idle in the pool.
        """
        async with self._pool.connection() as connection:
            await AsyncConnectionPool.check_connection(connection)

    async def _configure(self, connection: Connection) -> None:
        await prepare(connection)
        self._like = await self._database.opened(connection)
