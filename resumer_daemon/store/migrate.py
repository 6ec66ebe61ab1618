"""Bring a database to this version, and back.

Each step is one transaction with its lines in the history, under a lock that migrators poll for.
Where it waits for a table too long, it steps back and lets writers through.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Literal, TypeAlias

from psycopg.rows import class_row

from resumer_daemon import __version__
from resumer_daemon.errors import ContractError, MigrationError
from resumer_daemon.store.connect import Connection, connect, settle_pooled
from resumer_daemon.store.migrations import Migration, known
from resumer_daemon.store.patience import Busy, or_busy, patiently
from resumer_daemon.store.place import Place, prepare
from resumer_daemon.store.statements import OWN_PATH, load, written

NAMED = 3
"""Migrations that a message names; `doctor` names them all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of a migration: not applied, applied, or changed since it was applied."""

    name: str
    applied_at: datetime | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """A line of the history; `version` is that of the program that applied it."""

    number: int | None
    name: str
    sha256: str
    version: str
    applied_at: datetime


History: TypeAlias = Mapping[str, Applied]
Choose: TypeAlias = Callable[[History, str], Sequence[Migration]]
Act: TypeAlias = Callable[[Connection, Migration, str], Awaitable[None]]


async def up(url: str, schema: str = "public") -> list[str]:
    """Apply what is missing or was changed, and return the names of it.

    Raises:
        MigrationError: A numbered migration differs from this version's, or a migration fails.
        Unreachable: The database does not answer.
    """
    return await _run(url, schema, _missing, _apply)


async def down(url: str, schema: str = "public", *, keep_columns: bool = False) -> list[str]:
    """Undo everything, newest first, and return the names of it. Errors as `up`.

    `keep_columns`: what was added to the service's tables stays, with what is in it.
    """
    return await _run(url, schema, _applied, _undo, keep_columns=keep_columns)


async def status(url: str, schema: str = "public") -> list[Entry]:
    """Return the state of each migration of this version."""
    async with await connect(url) as connection:
        await settle_pooled(connection)
        history = await _history(connection)
    return [_entry(m, history, schema) for m in known()]


async def unapplied(connection: Connection, schema: str) -> list[str]:
    """Return the migrations that a database lacks, or that this version has changed.

    A database that a newer version has migrated lacks none: its functions serve older daemons too.
    """
    history = await _history(connection)
    if _is_newer(history, schema):
        return []
    entries = [_entry(m, history, schema) for m in known()]
    return [e.name for e in entries if e.applied_at is None or e.changed]


async def require_applied(connection: Connection, schema: str) -> None:
    """Raise ContractError where a migration of this version is not applied as it is here."""
    lacking = await unapplied(connection, schema)
    if lacking:
        more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        raise ContractError(
            "migrations are missing, or were changed since they were applied:"
            f" {', '.join(lacking[:NAMED])}{more}; run `resumer-daemon migrate up`"
        )


async def pending(
    url: str,
    direction: Literal["up", "down"],
    schema: str = "public",
    *,
    keep_columns: bool = False,
) -> list[str]:
    """Return the SQL that `up` or `down` would run now, a transaction each. Errors as `up`."""
    async with await connect(url) as connection:
        await settle_pooled(connection)
        history = await _history(connection)
        place = Place.of(schema, keep_columns=keep_columns)
    forth = direction == "up"
    left = (_missing if forth else _applied)(history, schema)
    scripts = []
    while step := _first_step(left):
        left = left[len(step) :]
        texts = [text for m in step for text in (_up_texts if forth else _down_texts)(m, schema)]
        scripts.append(_script(place, texts))
    return scripts


def _up_texts(migration: Migration, schema: str) -> list[str]:
    texts = [migration.script(schema), written("enter_migration", **_line(migration, schema))]
    if migration.binds:
        return [written("remember_trigger_states"), *texts, written("restore_trigger_states")]
    return texts


def _down_texts(migration: Migration, schema: str) -> list[str]:
    return [written("strike_migration", name=migration.name), migration.undo(schema)]


def _script(place: Place, texts: Sequence[str]) -> str:
    body = ";\n".join(text.strip().removesuffix(";") for text in texts)
    return (
        f"BEGIN;\nSET LOCAL search_path = {OWN_PATH};\n"
        f"SET LOCAL resumer.keep_columns = {place.keep_columns};\n{body};\nCOMMIT;\n"
    )


def _line(migration: Migration, schema: str) -> dict[str, int | str | None]:
    return {
        "number": migration.number,
        "name": migration.name,
        "sha256": migration.sha256(schema),
        "version": __version__,
    }


async def _run(
    url: str, schema: str, choose: Choose, act: Act, *, keep_columns: bool = False
) -> list[str]:
    names: list[str] = []
    async with await connect(url) as connection:
        place = Place.of(schema, keep_columns=keep_columns)

        async def step() -> str | None:
            done = await _step(connection, place, choose, act)
            names.extend(done)
            return done[-1] if done else None

        while await patiently(step) is not None:
            pass
    return names


async def _step(connection: Connection, place: Place, choose: Choose, act: Act) -> list[str]:
    """Choose by what is applied once we have the lock, and run that: one transaction."""
    async with connection.transaction():
        await prepare(connection, place)
        cursor = await connection.execute(load("lock_migrations"))
        if (await cursor.fetchone()) != (True,):
            raise Busy("another migrator is at work")
        step = _first_step(choose(await _history(connection), place.schema))
        for migration in step:
            await or_busy(act(connection, migration, place.schema), f"migration {migration.name}")
    return [migration.name for migration in step]


async def _apply(connection: Connection, migration: Migration, schema: str) -> None:
    if migration.binds:
        await connection.execute(load("remember_trigger_states"))
    await connection.execute(migration.script(schema).encode(), prepare=False)
    if migration.binds:
        await connection.execute(load("restore_trigger_states"))
    await connection.execute(load("enter_migration"), _line(migration, schema))


async def _undo(connection: Connection, migration: Migration, schema: str) -> None:
    await connection.execute(load("strike_migration"), {"name": migration.name})
    await connection.execute(migration.undo(schema).encode(), prepare=False)


async def _history(connection: Connection) -> History:
    cursor = await connection.execute(load("has_ledger"))
    if (await cursor.fetchone()) != (True,):
        return {}
    rows = connection.cursor(row_factory=class_row(Applied))
    await rows.execute(load("read_ledger"))
    return {row.name: row for row in await rows.fetchall()}


def _entry(migration: Migration, history: History, schema: str) -> Entry:
    found = history.get(migration.name)
    changed = found is not None and found.sha256 != migration.sha256(schema)
    return Entry(migration.name, found.applied_at if found else None, changed)


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


def _missing(history: History, schema: str) -> list[Migration]:
    _refuse_newer(history, schema)
    missing = []
    for migration in known():
        entry = _entry(migration, history, schema)
        if entry.changed and migration.number is not None:
            raise MigrationError(f"migration {migration.name} was changed after it was applied")
        if entry.changed or entry.applied_at is None:
            missing.append(migration)
    return missing


def _applied(history: History, schema: str) -> list[Migration]:
    _refuse_newer(history, schema)
    return [m for m in reversed(known()) if m.name in history]


def _first_step(migrations: Sequence[Migration]) -> list[Migration]:
    """Return the migrations that the next transaction runs."""
    together = list(takewhile(lambda m: m.shares_transaction, migrations))
    return together or list(migrations[:1])
