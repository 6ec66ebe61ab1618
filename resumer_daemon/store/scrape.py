"""A connection for scrapes alone: what it asks is bounded, and it never waits to be closed."""

from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from resumer_daemon.store.connect import ARGUMENTS
from resumer_daemon.store.statements import load

Rows = list[dict[str, Any]]


class Scrape:
    """Opens its connection when it is asked, and again after it was forgotten."""

    def __init__(self, url: str) -> None:
        self._url = url
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
                **ARGUMENTS,
            )
        async with self._connection.transaction():
            await self._connection.execute(load("bound_scrape"))
            cursor = await self._connection.execute(load(statement))
            return await cursor.fetchall()

    def forget(self) -> None:
        """Close the connection hard: a polite close would wait for a path that may be dead."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None
