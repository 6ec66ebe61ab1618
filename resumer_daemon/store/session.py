"""One connection that runs the statements of `sql/`, in transactions that begin as ours do."""

from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, overload

import psycopg
from psycopg import AsyncCursor
from psycopg.generators import send
from psycopg.rows import BaseRowFactory, DictRow, dict_row

from resumer_daemon.store.connect import Connection, settings
from resumer_daemon.store.deadline import answered
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.statements import load

Row = TypeVar("Row")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def session_settings() -> bytes:
    """Return the statement that makes the settings of a session beside those of its connection."""
    return load("session_settings")


@dataclass(frozen=True, slots=True)
class ServicePath:
    """The search path that role and database set; whether the service has code that needs it."""

    path: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A connection and what was found of the database behind it.

    `features` are the optional columns of the service (`store/contract.py`), `service_path` is what
    its triggers run with, `schema` is where its tables are, `timezone` is the zone that its
    zone-less columns are meant in. `pooled`: the next transaction may meet another backend.
    """

    connection: Connection
    features: Set[str]
    service_path: ServicePath
    schema: str
    timezone: str
    pooled: bool
    role: Role

    @overload
    async def run(
        self, statement: str, parameters: Mapping[str, Any] = ...
    ) -> AsyncCursor[DictRow]: ...

    @overload
    async def run(
        self, statement: str, parameters: Mapping[str, Any], rows: BaseRowFactory[Row]
    ) -> AsyncCursor[Row]: ...

    async def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] = NOTHING,
        rows: BaseRowFactory[Any] = dict_row,
    ) -> AsyncCursor[Any]:
        """Run `sql/<statement>.sql` and return its cursor; rows are dicts by default."""
        cursor = self.connection.cursor(row_factory=rows)
        await cursor.execute(self.text(statement), parameters)
        await self._send_all()
        return cursor

    async def _send_all(self) -> None:
        """Send what psycopg left in its buffer: in a pipeline it waits for answers with it unsent.

        The server answers nothing before it has the whole statement. One that is larger than the
        buffers of a Unix socket, last before a commit, would wait for ever.
        """
        connection = self.connection
        if connection.pgconn.flush():
            async with connection.lock:
                await connection.wait(send(connection.pgconn))

    def text(self, statement: str) -> bytes:
        """Return `sql/<statement>.sql` as this database needs it."""
        return load(statement, self.features, self.schema)

    @asynccontextmanager
    async def at_the_service(self) -> AsyncIterator[None]:
        """Write the service's tables, on the path that the service's own triggers need.

        Other roles may create operators and functions on that path. Statements that run inside must
        leave PostgreSQL no choice: `tests/integration/test_search_path.py` checks each.
        """
        if self.service_path.needed:
            await self.run("enter_service", {"search_path": self.service_path.path})
        yield
        if self.service_path.needed:
            await self.run("leave_service")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run what is inside as one transaction of ours, sent in as few packets as it allows.

        BEGIN goes with the first statement; psycopg's own block takes 0.1 ms more.

        Raises:
            Unreachable: The server went silent meanwhile; the connection is closed.
        """
        connection = self.connection
        async with answered(connection):
            try:
                async with connection.pipeline():
                    if self.pooled:
                        await self.settle(local=True)
                    yield
                    await connection.commit()
            except BaseException:  # whoever is cancelled leaves no transaction open
                with suppress(psycopg.OperationalError):  # what is lost is rolled back
                    await connection.rollback()
                raise

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Run what is inside as a part of a transaction: where it fails, only it is undone."""
        await self.run("savepoint")
        try:
            async with self.connection.pipeline():  # left when all of it is answered
                yield
                await self.run("check_now")
        except BaseException:  # whoever is cancelled leaves no half of it either
            prepares = self.connection.prepare_threshold
            self.connection.prepare_threshold = None  # else all that is prepared is forgotten
            try:
                with suppress(psycopg.OperationalError):  # what is lost is rolled back
                    await self.run("back_to_savepoint")
            finally:
                self.connection.prepare_threshold = prepares
            raise
        await self.run("keep_part")

    async def settle(self, *, local: bool) -> None:
        """Make the settings that hold in our transactions: for the session, or for this one."""
        if local:  # else the connection has them already
            await self.connection.execute(*settings(local=True))
        # where no policy is at work, one that comes is an error, and not fewer rows
        filtering = "on" if self.role.filtered else "off"
        await self.connection.execute(
            session_settings(),
            {"row_security": filtering, "local": local},
        )

    async def require_sight(self) -> None:
        """Look again whether rows may be hidden from us, before what is not seen counts as gone.

        Raises:
            ContractError: A policy may hide some.
        """
        (await read_role(self.connection, self.schema)).require_sight()
