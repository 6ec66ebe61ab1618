"""Bring a database to this version, and back: `migrations/NNNN_name.up.sql` and `.down.sql`.

Each migration is one transaction with its line in the ledger, under a lock that migrators poll
for, and waits for a table at most `LOCK_TIMEOUT` before it steps back and lets writers through.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Literal, TypeAlias

from psycopg import sql

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connect import Connection, connect
from resumer_daemon.store.contract import search_path
from resumer_daemon.store.patience import Busy, or_busy, patiently
from resumer_daemon.store.statements import load, written

LOCK_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number` orders them, `sha256` tells a changed one."""

    number: int
    name: str
    up: bytes
    down: bytes

    @property
    def sha256(self) -> str:
        """The fingerprint of what is applied."""
        return sha256(self.up).hexdigest()

    @property
    def entry(self) -> dict[str, int | str]:
        """Its line in the ledger."""
        return {"number": self.number, "name": self.name, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger, or the lack of an entry, says of a migration."""

    number: int
    name: str
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where migrations work: the service's schema, the path that leads there, what is kept."""

    schema: str
    search_path: str
    keep_columns: Literal["on", "off"]

    @classmethod
    def of(cls, connection: Connection, schema: str, *, keep_columns: bool) -> "Place":
        """Return the place that a connection sees under this name."""
        return cls(schema, search_path(connection, schema), "on" if keep_columns else "off")

    @property
    def settings(self) -> dict[str, str]:
        """What holds in the transaction of each."""
        return {
            "search_path": self.search_path,
            "lock_timeout": LOCK_TIMEOUT,
            "keep_columns": self.keep_columns,
        }


Ledger: TypeAlias = dict[int, tuple[str, str, datetime]]
Choose: TypeAlias = Callable[[Ledger], Migration | None]
Act: TypeAlias = Callable[[Connection, Migration, str], Awaitable[None]]


def known() -> list[Migration]:
    """Return the migrations of this version, in order."""
    folder = files("resumer_daemon.migrations")
    names = sorted(
        f.name.removesuffix(".up.sql") for f in folder.iterdir() if f.name.endswith(".up.sql")
    )
    return [
        Migration(
            number=int(name[:4]),
            name=name,
            up=folder.joinpath(f"{name}.up.sql").read_bytes(),
            down=folder.joinpath(f"{name}.down.sql").read_bytes(),
        )
        for name in names
    ]


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
        applied = await _ledger(connection)
        place = Place.of(connection, schema, keep_columns=keep_columns)
    _refuse_newer(applied)
    if direction == "up":
        _first_missing(applied)
        missing = [m for m in known() if m.number not in applied]
        return [
            _script(place, placed(m.up, schema).decode(), written("enter_migration", **m.entry))
            for m in missing
        ]
    undone = [m for m in reversed(known()) if m.number in applied]
    return [
        _script(place, written("strike_migration", number=m.number), m.down.decode())
        for m in undone
    ]


def _script(place: Place, first: str, last: str) -> str:
    return (
        f"BEGIN;\nSET LOCAL search_path = {place.search_path};\n"
        f"SET LOCAL resumer.keep_columns = {place.keep_columns};\n{first};\n{last};\nCOMMIT;\n"
    )


def placed(script: bytes, schema: str) -> bytes:
    """Return a script with the schema of the service written where it names `service_schema`.

    Only within functions: outside of them the search path leads there.
    """
    return script.replace(b"service_schema.", sql.Identifier(schema).as_bytes() + b".")


async def _run(
    url: str, schema: str, choose: Choose, act: Act, *, keep_columns: bool = False
) -> list[str]:
    names: list[str] = []
    async with await connect(url) as connection:
        place = Place.of(connection, schema, keep_columns=keep_columns)
        while True:
            name = await patiently(lambda: _step(connection, place, choose, act))
            if name is None:
                return names
            names.append(name)


async def prepare(connection: Connection, place: Place) -> None:
    """Make the settings of a transaction that changes the schema."""
    await connection.execute(load("prepare_migration"), place.settings)


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
    await connection.execute(placed(migration.up, schema), prepare=False)
    await connection.execute(load("enter_migration"), migration.entry)


async def _undo(connection: Connection, migration: Migration, _schema: str) -> None:
    await connection.execute(load("strike_migration"), {"number": migration.number})
    await connection.execute(migration.down, prepare=False)


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
