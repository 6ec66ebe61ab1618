"""Logins with the rights of our roles, as an administrator makes them after `migrate grants`."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex

from psycopg import sql
from psycopg.conninfo import make_conninfo

from resumer_daemon.store import grants
from tests.harness.database import Database


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
