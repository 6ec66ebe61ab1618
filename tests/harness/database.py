"""A fresh database for each test, and logins with the rights of our roles.

A database is cloned from a template that is migrated once for each vintage.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, LiteralString, get_args
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from resumer_daemon.store import grants, migrate

Vintage = Literal["empty", "v1", "v5"]
VINTAGES: tuple[Vintage, ...] = get_args(Vintage)

DATA = Path(__file__).parent.parent / "data"

every_vintage = pytest.mark.parametrize("vintage", VINTAGES)
"""Run a test once on each of the service's tables: none, the oldest, the newest."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test, and short ways to talk to it as another program would."""

    name: str
    url: str
    vintage: Vintage

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """Open a connection in autocommit; `with` closes it."""
        return psycopg.connect(self.url, autocommit=True, **options)

    async def aconnect(self, **options: Any) -> psycopg.AsyncConnection[Any]:
        """Open an async connection in autocommit; `async with` closes it."""
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True, **options)

    def run(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement in a session and a transaction of its own, and return its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []


@dataclass(slots=True)
class Databases:
    """The databases of one worker on one server, named so that no other worker's are met."""

    server: str
    prefix: str
    _templates: dict[tuple[Vintage, bool], str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def fresh(self, vintage: Vintage, *, migrated: bool) -> Iterator[Database]:
        """Yield a new database with the service's tables of that vintage, and drop it."""
        database = self.make(vintage, migrated=migrated)
        try:
            yield database
        finally:
            self._drop(database.name)

    def make(self, vintage: Vintage, *, migrated: bool) -> Database:
        """Return a new database, for those whose server goes away with it."""
        name = f"{self.prefix}_{next(self._numbers)}"
        self._admin("CREATE DATABASE {} TEMPLATE {}", name, self._template(vintage, migrated))
        return Database(name, on(self.server, name), vintage)

    def close(self) -> None:
        """Drop the templates."""
        for name in self._templates.values():
            self._drop(name)

    def _template(self, vintage: Vintage, migrated: bool) -> str:
        key = (vintage, migrated)
        if key not in self._templates:
            name = f"{self.prefix}_{vintage}_{'migrated' if migrated else 'before'}"
            self._admin("CREATE DATABASE {} TEMPLATE template0", name)
            self._templates[key] = name
            _fill(on(self.server, name), vintage, migrated=migrated)
        return self._templates[key]

    def _drop(self, name: str) -> None:
        self._admin("DROP DATABASE {} WITH (FORCE)", name)

    def _admin(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def on(server: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def migrate_up(url: str) -> list[str]:
    """Migrate from a test or fixture that may have an event loop of its own running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, migrate.up(url)).result()


def _fill(url: str, vintage: Vintage, *, migrated: bool) -> None:
    if vintage != "empty":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((DATA / f"schema_{vintage}.sql").read_bytes())
    if migrated:
        migrate_up(url)


def give_rights(url: str) -> list[grants.Lack]:
    """Run `migrate grants` from a test that may have an event loop of its own running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, grants.give(url, "public")).result()


@contextmanager
def member_of(database: Database, *roles: str) -> Iterator[Database]:
    """Yield the database as a new login sees it that is a member of these roles."""
    name = f"member_{token_hex(6)}"
    login = sql.Identifier(name)
    with database.connect() as administrator:
        administrator.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, name))
        for role in roles:
            administrator.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))
    try:
        yield replace(database, url=make_conninfo(database.url, user=name, password=name))
    finally:
        with database.connect() as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s",
                [name],
            )
            administrator.execute(sql.SQL("DROP OWNED BY {}").format(login))
            administrator.execute(sql.SQL("DROP ROLE {}").format(login))
