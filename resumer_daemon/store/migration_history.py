"""The migrations that a database has, and those of this version that it lacks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from psycopg.rows import class_row

from resumer_daemon import __version__
from resumer_daemon.errors import MigrationError, NotMigrated
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.migration_files import (
    COMMENTS,
    Function,
    Migration,
    created_by,
    functions_of,
    known,
)
from resumer_daemon.store.statements import load

NAMED = 3
"""Migrations that a message names; `doctor` names them all."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A line of the history; `version` is that of the program that applied it."""

    number: int | None
    name: str
    sha256: str
    version: str
    applied_at: datetime


History: TypeAlias = Mapping[str, Applied]


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """The state of a migration: not applied, applied, or changed since it was applied.

    One whose triggers, functions or views were dropped or changed by others is changed.
    """

    name: str
    applied_at: datetime | None
    changed: bool


async def read_history(connection: Connection) -> History:
    """Return what was applied, by name; nothing where no migration ever was."""
    cursor = await connection.execute(load("migrate.has_history"))
    if (await cursor.fetchone()) != (True,):
        return {}
    rows = connection.cursor(row_factory=class_row(Applied))
    await rows.execute(load("migrate.read_history"))
    return {row.name: row for row in await rows.fetchall()}


async def read_installed(connection: Connection, schema: str) -> History:
    """Return what was applied. Dropped triggers, and damaged code, count as changed.

    Triggers are gone when the service creates a table anew. `up` then binds them again. A function
    that is created anew has no comment, so that comments are applied with it.
    """
    history = await read_history(connection)
    cursor = await connection.execute(load("migrate.read_bound_triggers"), {"schema": schema})
    bound = {name for (name,) in await cursor.fetchall()}
    gone = {
        m.name: replace(history[m.name], sha256="triggers were dropped", version=__version__)
        for m in known()
        if m.binds and m.name in history and not bound.issuperset(c.name for c in created_by(m))
    }
    damaged = {each.migration for each in await read_damage(connection, history, schema)}
    if damaged:
        damaged |= {COMMENTS} & history.keys()
    again = {
        name: replace(history[name], sha256="functions or views were changed", version=__version__)
        for name in damaged
    }
    return {**history, **gone, **again}


@dataclass(frozen=True, slots=True)
class Damage:
    """A function or view that is missing, or not as its applied migration creates it."""

    migration: str
    name: str
    missing: bool

    def __str__(self) -> str:
        """Return it as a part of a message."""
        return f"{self.name} {'is missing' if self.missing else 'was changed'}"


async def read_damage(connection: Connection, history: History, schema: str) -> list[Damage]:
    """Return the functions that someone dropped or changed, and the views that someone dropped.

    A migration that another version has applied is not compared, because its text is not known.
    """
    cursor = await connection.execute(load("migrate.read_functions"))
    functions = {Function(*row) for row in await cursor.fetchall()}
    names = {function.name for function in functions}
    cursor = await connection.execute(load("migrate.read_views"))
    views = {name for (name,) in await cursor.fetchall()}
    damage = []
    for migration in known():
        entry = history.get(migration.name)
        if not migration.shares_transaction or entry is None:
            continue
        if entry.sha256 != migration.sha256(schema):
            continue
        damage += [
            Damage(migration.name, each.name, each.name not in names)
            for each in functions_of(migration, schema)
            if each not in functions
        ]
        damage += [
            Damage(migration.name, each.name, missing=True)
            for each in created_by(migration)
            if each.kind == "view" and each.name not in views
        ]
    return damage


def to_repair(history: History, since: datetime) -> History:
    """Return a history in which repeatable migrations applied before `since` count as changed."""
    return {
        name: replace(entry, sha256="to be repaired", version=__version__)
        if entry.number is None and entry.applied_at < since
        else entry
        for name, entry in history.items()
    }


def line(migration: Migration, schema: str) -> dict[str, int | str | None]:
    """Return the line that an applied migration has in the history."""
    return {
        "number": migration.number,
        "name": migration.name,
        "sha256": migration.sha256(schema),
        "version": __version__,
    }


def entries(history: History, schema: str) -> list[MigrationStatus]:
    """Return the state of each migration of this version."""
    return [_entry(m, history, schema) for m in known()]


def unapplied(history: History, schema: str) -> list[str]:
    """Return the migrations that a database lacks, or that this version has changed.

    A database that a newer version has migrated lacks none: its functions serve older daemons too.
    """
    if _is_newer(history, schema):
        return []
    return [e.name for e in entries(history, schema) if e.applied_at is None or e.changed]


def require_applied(history: History, schema: str) -> None:
    """Raise NotMigrated where a migration of this version is not applied as it is here."""
    lacking = unapplied(history, schema)
    if lacking:
        more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        raise NotMigrated(
            "migrations are missing, or were changed since they were applied:"
            f" {', '.join(lacking[:NAMED])}{more}; run `resumer-daemon migrate up`"
        )


def missing(history: History, schema: str) -> list[Migration]:
    """Return what `up` applies, in its order.

    Raises:
        MigrationError: A newer version has migrated, or a numbered migration was changed.
    """
    _refuse_newer(history, schema)
    found = []
    for migration in known():
        entry = _entry(migration, history, schema)
        if entry.changed and migration.number is not None:
            raise MigrationError(f"migration {migration.name} was changed after it was applied")
        if entry.changed or entry.applied_at is None:
            found.append(migration)
    return found


def applied(history: History, schema: str) -> list[Migration]:
    """Return what `down` undoes, in its order. Raises MigrationError as `missing`."""
    _refuse_newer(history, schema)
    return [m for m in reversed(known()) if m.name in history]


def _entry(migration: Migration, history: History, schema: str) -> MigrationStatus:
    found = history.get(migration.name)
    changed = found is not None and found.sha256 != migration.sha256(schema)
    return MigrationStatus(migration.name, found.applied_at if found else None, changed)


def _is_newer(history: History, schema: str) -> bool:
    """Return whether a newer version has applied what this version does not have."""
    ours = {m.name: m for m in known()}
    newest = max(m.number for m in ours.values() if m.number is not None)
    return any(
        found.number > newest
        if found.number is not None
        else _release(found.version) > _release(__version__)
        and (name not in ours or ours[name].sha256(schema) != found.sha256)
        for name, found in history.items()
    )


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version by which it is older or newer than another."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _refuse_newer(history: History, schema: str) -> None:
    if _is_newer(history, schema):
        raise MigrationError(
            "the database was migrated by a newer version of resumer-daemon; upgrade the program"
        )
