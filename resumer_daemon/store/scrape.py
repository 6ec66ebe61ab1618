"""A connection for scrapes alone: what it asks is bounded, and it never waits to be closed."""

from typing import Any

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import dict_row

from resumer_daemon.store.connect import ARGUMENTS, READING, settings
from resumer_daemon.store.statements import load

Rows = list[dict[str, Any]]


class Scrape:
    """Opens its connection when it is asked, and again after it was forgotten.

    `standby`: to whatever server there is, also to one that takes no writes.
    """

    def __init__(self, url: str, *, standby: bool = False) -> None:
        self._url = url
        self._arguments = READING if standby else ARGUMENTS
        self._connection: AsyncConnection[Any] | None = None

    async def rows(self, statement: str) -> Rows:
        """Return the rows of a statement. Raises psycopg's errors.

        A connection that was ended since the last scrape does not mean that the database is away.
        """
        if self._connection is not None:
            try:
                return await self._ask(statement)
            except psycopg.OperationalError:
                self.forget()
        return await self._ask(statement)

    async def _ask(self, statement: str) -> Rows:
        if self._connection is None:
            self._connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name="resumer-metrics",
                prepare_threshold=None,
                row_factory=dict_row,
                **self._arguments,
            )
            await self._connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
            await self._connection.set_read_only(True)
            await self._connection.set_deferrable(False)
        async with self._connection.transaction():
            await self._connection.execute(*settings(local=True))
            await self._connection.execute(load("bound_scrape"))
            cursor = await self._connection.execute(load(statement))
            return await cursor.fetchall()

    def forget(self) -> None:
        """Close the connection hard: a polite close would wait for a path that may be dead."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None
