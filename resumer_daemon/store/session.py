"""Sessions: connections that run named statements in transactions, and the pool of them."""

from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, TypeVar, overload

import psycopg
from psycopg import AsyncCursor, errors
from psycopg.abc import Buffer
from psycopg.generators import send
from psycopg.rows import BaseRowFactory, DictRow, dict_row
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg_pool import AsyncConnectionPool

from resumer_daemon.errors import NotMigrated
from resumer_daemon.store.connection import (
    ARGUMENTS,
    Connection,
    connect,
    prepare,
    response_timeout,
    settings,
    settle_pooled,
)
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.service_schema import probe
from resumer_daemon.store.statements import load

Row = TypeVar("Row")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def session_settings() -> bytes:
    """Return the statement that makes the settings of a session beside those of its connection."""
    return load("session.apply_settings")


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
        """Run a statement by name and return its cursor; rows are dicts by default."""
        cursor = self.connection.cursor(row_factory=rows)
        await cursor.execute(self.text(statement), parameters)
        await self._send_all()
        return cursor

    async def fetch_all(
        self, statement: str, parameters: Mapping[str, Any] = NOTHING
    ) -> list[DictRow]:
        """Run a statement and return all its rows."""
        return await (await self.run(statement, parameters)).fetchall()

    async def fetch_optional(
        self, statement: str, parameters: Mapping[str, Any] = NOTHING
    ) -> DictRow | None:
        """Run a statement and return its first row, or None."""
        return await (await self.run(statement, parameters)).fetchone()

    async def fetch_one(self, statement: str, parameters: Mapping[str, Any] = NOTHING) -> DictRow:
        """Run a statement and return its row.

        Raises:
            LookupError: It returned none.
        """
        row = await self.fetch_optional(statement, parameters)
        if row is None:
            raise LookupError(f"{statement} returned no row")
        return row

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
        """Return the text of a statement as this database needs it."""
        return load(statement, self.features, self.schema)

    @asynccontextmanager
    async def at_the_service(self) -> AsyncIterator[None]:
        """Write the service's tables, on the path that the service's own triggers need.

        Other roles may create operators and functions on that path. Statements that run inside must
        leave PostgreSQL no choice: `tests/integration/migrations/test_search_path.py` checks each.
        """
        if self.service_path.needed:
            await self.run("session.use_service_path", {"search_path": self.service_path.path})
        yield
        if self.service_path.needed:
            await self.run("session.use_own_path")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run what is inside as one transaction of ours, sent in as few packets as it allows.

        BEGIN goes with the first statement; psycopg's own block takes 0.1 ms more.

        Raises:
            Unreachable: The server went silent meanwhile; the connection is closed.
        """
        connection = self.connection
        async with response_timeout(connection):
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
        await self.run("session.savepoint")
        try:
            async with self.connection.pipeline():  # left when all of it is answered
                yield
                await self.run("session.check_constraints")
        except BaseException:  # whoever is cancelled leaves no half of it either
            prepares = self.connection.prepare_threshold
            self.connection.prepare_threshold = None  # else all that is prepared is forgotten
            try:
                with suppress(psycopg.OperationalError):  # what is lost is rolled back
                    await self.run("session.rollback_to_savepoint")
            finally:
                self.connection.prepare_threshold = prepares
            raise
        await self.run("session.release_savepoint")

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


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the service, and how its zone-less times are meant."""

    url: str
    schema: str = "public"
    timezone: str = "UTC"

    async def session(self, name: str = "resumer-daemon", *, reads: bool = False) -> Session:
        """Open a session, with the service's columns probed. One that `reads` may be of a standby.

        Raises:
            Unreachable: The server does not answer.
            NotMigrated: The database has no schema `resumer`.
            ContractError: The tables are not as needed, or rows of them may be hidden from us.
        """
        connection = await connect(self.url, name=name, reads=reads)
        try:
            return await self.opened(connection)
        except BaseException:  # whoever is cancelled leaves no connection either
            await connection.close()
            raise

    async def opened(self, connection: Connection) -> Session:
        """Make a session of a connection that was prepared. Errors as `session`."""
        async with response_timeout(connection):
            return await self._opened(connection)

    async def _opened(self, connection: Connection) -> Session:
        await settle_pooled(connection)
        cursor = await connection.execute(load("session.read_service_path", schema=self.schema))
        path, needed, installed = await cursor.fetchone() or ("", False, False)
        if not installed:
            raise NotMigrated
        foreign = ServicePath(path, needed)
        features = await probe(connection, self.schema)
        pooled = connection.prepare_threshold is None
        role = await read_role(connection, self.schema)
        role.require_sight()
        session = Session(connection, features, foreign, self.schema, self.timezone, pooled, role)
        if not pooled:
            await session.settle(local=False)
        await connection.commit()
        return session


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


class _Date(DateLoader):
    def load(self, data: Buffer) -> date | str:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


class _Timestamp(TimestampLoader):
    def load(self, data: Buffer) -> datetime | str:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


class _Timestamptz(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime | str:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


def as_text(connection: Connection) -> None:
    """Let a connection return such times as text, as PostgreSQL writes them: rows for people."""
    for name, loader in (("date", _Date), ("timestamp", _Timestamp), ("timestamptz", _Timestamptz)):
        connection.adapters.register_loader(name, loader)
