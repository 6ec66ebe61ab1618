"""The locks that migrations take on the service's tables, and the sessions that hold them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from psycopg.rows import class_row

from resumer_daemon.durations import format_duration
from resumer_daemon.store.arrays import array
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.migration_files import PAUSE_COLUMNS, Migration, added_columns
from resumer_daemon.store.service_schema import Table
from resumer_daemon.store.statements import load

EXECUTIONS = "workflow_executions"

Mode: TypeAlias = Literal["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a table of the service, held until the end of the migration's transaction."""

    migration: str
    table: str
    mode: Mode
    statement: str

    @property
    def waiting(self) -> str:
        """The other sessions that wait while it is held."""
        return "readers and writers" if self.mode == "ACCESS EXCLUSIVE" else "writers"

    def __str__(self) -> str:
        """Return it as a line for people."""
        return (
            f"{self.mode} on {self.table} for {self.statement}: {self.waiting} wait while the"
            " catalogue is changed; nothing is scanned or rewritten"
        )


def locks_of(migrations: Iterable[Migration], tables: Mapping[str, Table]) -> list[Lock]:
    """Return the locks that these migrations take when they are applied."""
    return [lock for migration in migrations for lock in _applying(migration, tables)]


def locks_of_undoing(
    migrations: Iterable[Migration], tables: Mapping[str, Table], *, keep_columns: bool
) -> list[Lock]:
    """Return the locks that these migrations take when they are undone."""
    return [
        lock
        for migration in migrations
        if not (keep_columns and migration.name == PAUSE_COLUMNS)
        for lock in _undoing(migration, tables)
    ]


def lock_of_policies(table: str, *, dropped: bool = False) -> Lock:
    """Return the lock that a policy on a table takes when it is created or dropped."""
    return Lock("policies", table, "ACCESS EXCLUSIVE", f"{'DROP' if dropped else 'CREATE'} POLICY")


def missing_columns(tables: Mapping[str, Table]) -> dict[str, str]:
    """Return the columns that `workflow_executions` lacks, with their types."""
    there = tables[EXECUTIONS].columns if EXECUTIONS in tables else added_columns()
    return {name: kind for name, kind in added_columns().items() if name not in there}


def _applying(migration: Migration, tables: Mapping[str, Table]) -> Iterator[Lock]:
    if migration.name == PAUSE_COLUMNS and missing_columns(tables):
        yield Lock(migration.name, EXECUTIONS, "ACCESS EXCLUSIVE", "ADD COLUMN")
    bound = migration.bound_table
    if bound is not None and bound in tables:
        if tables[bound].triggers:
            yield Lock(migration.name, bound, "ACCESS EXCLUSIVE", "DROP and CREATE TRIGGER")
        else:
            yield Lock(migration.name, bound, "SHARE ROW EXCLUSIVE", "CREATE TRIGGER")


def _undoing(migration: Migration, tables: Mapping[str, Table]) -> Iterator[Lock]:
    bound = migration.bound_table
    if bound is not None and bound in tables and tables[bound].triggers:
        yield Lock(migration.name, bound, "ACCESS EXCLUSIVE", "DROP TRIGGER")
    if migration.name == PAUSE_COLUMNS and EXECUTIONS in tables and tables[EXECUTIONS].added:
        yield Lock(migration.name, EXECUTIONS, "ACCESS EXCLUSIVE", "DROP COLUMN")


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session or prepared transaction that holds a lock; ages are in seconds."""

    what: str
    pid: int | None
    gid: str | None
    application: str | None
    role: str | None
    state: str | None
    transaction_age: float | None
    query_age: float | None
    query: str | None

    def __str__(self) -> str:
        """Return it as a part of a message."""
        if self.pid is None:
            return f"{self.what} by prepared transaction {self.gid}{_since(self.transaction_age)}"
        known = ", ".join(filter(None, (self.application, self.role and f"role {self.role}")))
        query = f", {self.state}{_since(self.query_age)}: {self.query}" if self.query else ""
        return (
            f"{self.what} by pid {self.pid} ({known or 'unknown'}, in a transaction"
            f"{_since(self.transaction_age)}{query})"
        )


async def blockers(connection: Connection, schema: str, locks: Sequence[Lock]) -> str:
    """Name who holds what these locks wait for; without locks, who holds the migrators' lock."""
    cursor = connection.cursor(row_factory=class_row(LockHolder))
    parameters = {
        "schema": schema,
        "tables": array(lock.table for lock in locks),
        "modes": array(lock.mode for lock in locks),
    }
    await cursor.execute(load("migrate.find_lock_holders"), parameters)
    return "; ".join(map(str, await cursor.fetchall()))


def _since(age: float | None) -> str:
    return "" if age is None else f" for {format_duration(round(age, 1 if age < 10 else None))}"
