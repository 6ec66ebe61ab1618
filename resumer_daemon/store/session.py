"""One connection that runs the statements of `sql/`, in transactions that begin as ours do."""

from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from resumer_daemon.store.connect import Connection
from resumer_daemon.store.statements import load


@dataclass(frozen=True, slots=True)
class Session:
    """A connection and what was found of the database behind it.

    `features` are the optional columns of the service (`store/contract.py`), `search_path` leads to
    its schema, `timezone` is the zone that its zone-less columns are meant in.
    """

    connection: Connection
    features: Set[str]
    search_path: str
    timezone: str

    async def run(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> AsyncCursor[DictRow]:
        """Run `sql/<statement>.sql` and return its cursor; rows are dicts."""
        cursor = self.connection.cursor(row_factory=dict_row)
        return await cursor.execute(load(statement, self.features), parameters or {})

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run what is inside as one transaction of ours, sent in as few packets as it allows."""
        async with self.connection.pipeline(), self.connection.transaction():
            await self.run("begin", {"search_path": self.search_path})
            yield
