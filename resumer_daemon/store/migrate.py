"""Bring a database to this version, and back.

Each migration is one transaction with its line in the ledger, under a lock that migrators poll
for. Where it waits for a table too long, it steps back and lets writers through.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connect import Connection, connect, settle_pooled
from resumer_daemon.store.migrations import Migration, known
from resumer_daemon.store.patience import Busy, or_busy, patiently
from resumer_daemon.store.place import Place, prepare
from resumer_daemon.store.statements import OWN_PATH, load, placed, written


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger, or the lack of an entry, says of a migration."""

    number: int
    name: str
    applied_at: datetime | None


Ledger: TypeAlias = dict[int, tuple[str, str, datetime]]
Choose: TypeAlias = Callable[[Ledger], Migration | None]
Act: TypeAlias = Callable[[Connection, Migration, str], Awaitable[None]]


async def up(url: str, schema: str = "public") -> list[str]:
    """Apply what is missing and return the names of it.

    Raises:
        MigrationError: An applied migration differs from this version's, or fails.
        Unreachable: The database does not answer.
    """
    return await _run(url, schema, _first_missing, _apply)


async def down(url: str, schema: str = "public", *, keep_columns: bool = False) -> list[str]:
    """Undo everything, newest first, and return the names of it. Errors as `up`.

    `keep_columns`: what was added to the service's tables stays, with what is in it.
    """
    return await _run(url, schema, _last_applied, _undo, keep_columns=keep_columns)


async def status(url: str) -> list[Entry]:
    """Return each migration of this version with the time when it was applied."""
    async with await connect(url) as connection:
        await settle_pooled(connection)
        applied = await _ledger(connection)
    return [
        Entry(m.number, m.name, applied[m.number][2] if m.number in applied else None)
        for m in known()
    ]


async def unapplied(connection: Connection) -> list[str]:
    """Return the names of this version's migrations that a database lacks."""
    applied = await _ledger(connection)
    return [m.name for m in known() if m.number not in applied]


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
        applied = await _ledger(connection)
        place = Place.of(schema, keep_columns=keep_columns)
    _refuse_newer(applied)
    if direction == "up":
        _first_missing(applied)
        missing = [m for m in known() if m.number not in applied]
        return [
            _script(place, placed(m.up.decode(), schema), written("enter_migration", **m.entry))
            for m in missing
        ]
    undone = [m for m in reversed(known()) if m.number in applied]
    return [
        _script(
            place, written("strike_migration", number=m.number), placed(m.down.decode(), schema)
        )
        for m in undone
    ]


def _script(place: Place, first: str, last: str) -> str:
    return (
        f"BEGIN;\nSET LOCAL search_path = {OWN_PATH};\n"
        f"SET LOCAL resumer.keep_columns = {place.keep_columns};\n{first};\n{last};\nCOMMIT;\n"
    )


async def _run(
    url: str, schema: str, choose: Choose, act: Act, *, keep_columns: bool = False
) -> list[str]:
    names: list[str] = []
    async with await connect(url) as connection:
        place = Place.of(schema, keep_columns=keep_columns)
        while True:
            name = await patiently(lambda: _step(connection, place, choose, act))
            if name is None:
                return names
            names.append(name)


async def _step(connection: Connection, place: Place, choose: Choose, act: Act) -> str | None:
    """Choose by what is applied once we have the lock, and run that: one transaction."""
    async with connection.transaction():
        await prepare(connection, place)
        cursor = await connection.execute(load("lock_migrations"))
        if (await cursor.fetchone()) != (True,):
            raise Busy("another migrator is at work")
        migration = choose(await _ledger(connection))
        if migration is None:
            return None
        await or_busy(act(connection, migration, place.schema), f"migration {migration.name}")
        return migration.name


async def _apply(connection: Connection, migration: Migration, schema: str) -> None:
    await connection.execute(placed(migration.up.decode(), schema).encode(), prepare=False)
    await connection.execute(load("enter_migration"), migration.entry)


async def _undo(connection: Connection, migration: Migration, schema: str) -> None:
    await connection.execute(load("strike_migration"), {"number": migration.number})
    await connection.execute(placed(migration.down.decode(), schema).encode(), prepare=False)


async def _ledger(connection: Connection) -> Ledger:
    cursor = await connection.execute(load("has_ledger"))
    if (await cursor.fetchone()) != (True,):
        return {}
    cursor = await connection.execute(load("read_ledger"))
    return {number: (name, sha, at) for number, name, sha, at in await cursor.fetchall()}


def _refuse_newer(applied: Ledger) -> None:
    newest = known()[-1].number
    if any(number > newest for number in applied):
        raise MigrationError(
            "the database was migrated by a newer version of resumer-daemon; upgrade the program"
        )


def _first_missing(applied: Ledger) -> Migration | None:
    _refuse_newer(applied)
    for migration in known():
        entry = applied.get(migration.number)
        if entry is None:
            return migration
        if entry[1] != migration.sha256:
            raise MigrationError(f"migration {migration.name} was changed after it was applied")
    return None


def _last_applied(applied: Ledger) -> Migration | None:
    _refuse_newer(applied)
    return next((m for m in reversed(known()) if m.number in applied), None)
