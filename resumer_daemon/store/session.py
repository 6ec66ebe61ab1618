"""`Session` runs named statements in transactions. `Pool` lends sessions."""

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
    apply_settings_if_pooled,
    connect,
    prepare,
    response_timeout,
    settings,
)
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.service_schema import probe
from resumer_daemon.store.statements import load

Row = TypeVar("Row")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def session_settings() -> bytes:
    """Return the statement that applies the settings of a session."""
    return load("session.apply_settings")


@dataclass(frozen=True, slots=True)
class ServicePath:
    """The search path of role and database, and whether code of the service needs it."""

    path: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A connection, and the facts about its database.

    Attributes:
        features: optional columns of the service that exist (`store/service_schema.py`).
        service_path: the search path that the service's triggers run with.
        schema: the schema of the service's tables.
        timezone: the zone of the service's zone-less columns.
        pooled: whether the next transaction may get another backend.
        role: the role of the session.
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
        """Send the rest of psycopg's buffer, which a pipeline leaves unsent while it waits.

        The server does not respond before it has the whole statement. A statement that is larger
        than the buffers of a Unix socket, last before a commit, would wait for ever.
        """
        connection = self.connection
        if connection.pgconn.flush():
            async with connection.lock:
                await connection.wait(send(connection.pgconn))

    def text(self, statement: str) -> bytes:
        """Return the text of a statement as this database needs it."""
        return load(statement, self.features, self.schema)

    @asynccontextmanager
    async def service_search_path(self) -> AsyncIterator[None]:
        """Use the search path of the service's triggers inside, to write the service's tables.

        Other roles may create operators and functions on that path. Statements that run inside must
        qualify theirs: `tests/integration/migrations/test_search_path.py` checks each.
        """
        if self.service_path.needed:
            await self.run("session.use_service_path", {"search_path": self.service_path.path})
        yield
        if self.service_path.needed:
            await self.run("session.use_own_path")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run the block as one transaction in pipeline mode.

        BEGIN is sent with the first statement. psycopg's own block takes 0.1 ms more.

        Raises:
            Unreachable: The server stopped responding. The connection is closed.
        """
        connection = self.connection
        async with response_timeout(connection):
            try:
                async with connection.pipeline():
                    if self.pooled:
                        await self.apply_settings(local=True)
                    yield
                    await connection.commit()
            except BaseException:  # a cancelled task leaves no transaction open either
                with suppress(psycopg.OperationalError):  # a lost connection is rolled back
                    await connection.rollback()
                raise

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Run the block at a savepoint: if it fails, only the block is undone."""
        await self.run("session.savepoint")
        try:
            async with self.connection.pipeline():  # it ends when the server has responded to all
                yield
                await self.run("session.check_constraints")
        except BaseException:  # a cancelled task leaves no half of it either
            prepares = self.connection.prepare_threshold
            self.connection.prepare_threshold = None  # else psycopg forgets what is prepared
            try:
                with suppress(psycopg.OperationalError):  # a lost connection is rolled back
                    await self.run("session.rollback_to_savepoint")
            finally:
                self.connection.prepare_threshold = prepares
            raise
        await self.run("session.release_savepoint")

    async def apply_settings(self, *, local: bool) -> None:
        """Apply the settings of transactions, for the session or `local` to this transaction."""
        if local:  # else the connection has them already
            await self.connection.execute(*settings(local=True))
        # if no policy filters rows now, a new one must be an error and must not hide rows
        filtering = "on" if self.role.filtered else "off"
        await self.connection.execute(
            session_settings(),
            {"row_security": filtering, "local": local},
        )

    async def require_visible_rows(self) -> None:
        """Check again that no rows are hidden, before missing rows count as deleted.

        Raises:
            ContractError: A policy may hide rows.
        """
        (await read_role(self.connection, self.schema)).require_visible_rows()


@dataclass(frozen=True, slots=True)
class Database:
    """The address of the database, the service's schema, and the zone of its zone-less times.

    `audit` is False if nothing shall be written to the service's `audit_log`.
    """

    url: str
    schema: str = "public"
    timezone: str = "UTC"
    audit: bool = True

    async def session(self, name: str = "resumer-daemon", *, reads: bool = False) -> Session:
        """Open a session and probe the service's columns. If it only `reads`, a standby will do.

        Raises:
            Unreachable: The server does not respond.
            NotMigrated: The database has no schema `resumer`.
            ContractError: The tables do not fit, or a policy may hide rows of them.
        """
        connection = await connect(self.url, name=name, reads=reads)
        try:
            return await self.prepare_session(connection)
        except BaseException:  # a cancelled task leaves no connection either
            await connection.close()
            raise

    async def prepare_session(self, connection: Connection) -> Session:
        """Return a session on a prepared connection. Raises like `session`."""
        async with response_timeout(connection):
            return await self._prepare_session(connection)

    async def _prepare_session(self, connection: Connection) -> Session:
        await apply_settings_if_pooled(connection)
        cursor = await connection.execute(load("session.read_service_path", schema=self.schema))
        path, needed, installed = await cursor.fetchone() or ("", False, False)
        if not installed:
            raise NotMigrated
        service_path = ServicePath(path, needed)
        features = await probe(connection, self.schema)
        if not self.audit:
            features -= {"audit"}
        pooled = connection.prepare_threshold is None
        role = await read_role(connection, self.schema)
        role.require_visible_rows()
        session = Session(
            connection, features, service_path, self.schema, self.timezone, pooled, role
        )
        if not pooled:
            await session.apply_settings(local=False)
        await connection.commit()
        return session


# errors after the service altered its tables: a column is new, missing or of another type, or a
# new trigger needs the search path of role and database
CHANGED = (
    errors.UndefinedColumn,
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.FeatureNotSupported,
)


class Pool:
    """A bounded pool of sessions. None is in use while an effect is sent."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._template: Session | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database.url,
            kwargs={**ARGUMENTS, "application_name": "resumer-pool"},
            configure=self._configure,
            min_size=0,
            max_size=size,
            timeout=10.0,
            reconnect_timeout=5.0,  # seconds; then it starts again at short intervals
            max_idle=60.0,
            open=False,
        )

    async def open(self) -> None:
        """Start lending sessions."""
        await self._pool.open()

    async def close(self) -> None:
        """Close idle connections, and those in use when they are returned."""
        await self._pool.close()

    def stats(self) -> Mapping[str, int]:
        """Return the pool's statistics, under the names of psycopg_pool."""
        return self._pool.get_stats()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session. Raises psycopg's errors if the database is unreachable."""
        async with self._pool.connection() as connection:
            if self._template is None:
                raise LookupError("the pool lends configured connections only")
            try:
                yield replace(self._template, connection=connection)
            except CHANGED:
                await connection.close()  # the next one probes the columns again
                raise

    async def require(self) -> None:
        """Check that the pool can lend a session. Raises psycopg's errors if it cannot in time.

        It runs a statement, because a connection that the server has ended looks idle in the pool.
        """
        async with self._pool.connection() as connection:
            await AsyncConnectionPool.check_connection(connection)

    async def _configure(self, connection: Connection) -> None:
        await prepare(connection)
        self._template = await self._database.prepare_session(connection)


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
    """Make a connection return times that Python cannot hold as text. The rows are for people."""
    for name, loader in (("date", _Date), ("timestamp", _Timestamp), ("timestamptz", _Timestamptz)):
        connection.adapters.register_loader(name, loader)
