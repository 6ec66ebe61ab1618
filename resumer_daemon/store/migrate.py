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

from psycopg import errors, sql
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connect import Connection, connect
from resumer_daemon.store.statements import load

LOCK_TIMEOUT = "2s"
PATIENCE = 120.0


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


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger, or the lack of an entry, says of a migration."""

    number: int
    name: str
    applied_at: datetime | None


Ledger: TypeAlias = dict[int, tuple[str, str, datetime]]
Choose: TypeAlias = Callable[[Ledger], Migration | None]
Act: TypeAlias = Callable[[Connection, Migration], Awaitable[None]]


class _Busy(Exception):
    """Another migrator holds the lock."""


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


async def down(url: str, schema: str = "public") -> list[str]:
    """Undo everything, newest first, and return the names of it. Errors as `up`."""
    return await _run(url, schema, _last_applied, _undo)


async def status(url: str) -> list[Entry]:
    """Return each migration of this version with the time when it was applied."""
    async with await connect(url) as connection:
        applied = await _ledger(connection)
    return [
        Entry(m.number, m.name, applied[m.number][2] if m.number in applied else None)
        for m in known()
    ]


async def pending(url: str, direction: Literal["up", "down"]) -> list[bytes]:
    """Return the SQL that `up` or `down` would run now, in order."""
    async with await connect(url) as connection:
        applied = await _ledger(connection)
    if direction == "up":
        return [m.up for m in known() if m.number not in applied]
    return [m.down for m in reversed(known()) if m.number in applied]


async def _run(url: str, schema: str, choose: Choose, act: Act) -> list[str]:
    names: list[str] = []
    async with await connect(url) as connection:
        while True:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(
                    (_Busy, errors.LockNotAvailable, errors.DeadlockDetected)
                ),
                wait=wait_random(0.05, 0.5),
                stop=stop_after_delay(PATIENCE),
                reraise=True,
            ):
                with attempt:
                    name = await _step(connection, schema, choose, act)
            if name is None:
                return names
            names.append(name)


async def _step(connection: Connection, schema: str, choose: Choose, act: Act) -> str | None:
    """Choose by what is applied once we have the lock, and run that: one transaction."""
    async with connection.transaction():
        path = sql.SQL("{}, pg_temp").format(sql.Identifier(schema)).as_string(connection)
        await connection.execute(
            load("prepare_migration"), {"search_path": path, "lock_timeout": LOCK_TIMEOUT}
        )
        cursor = await connection.execute(load("lock_migrations"))
        if (await cursor.fetchone()) != (True,):
            raise _Busy
        migration = choose(await _ledger(connection))
        if migration is None:
            return None
        try:
            await act(connection, migration)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            raise
        except errors.Error as error:
            raise MigrationError(f"migration {migration.name}: {error}") from error
        return migration.name


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.up, prepare=False)
    entry = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
    await connection.execute(load("enter_migration"), entry)


async def _undo(connection: Connection, migration: Migration) -> None:
    await connection.execute(load("strike_migration"), {"number": migration.number})
    await connection.execute(migration.down, prepare=False)


async def _ledger(connection: Connection) -> Ledger:
    cursor = await connection.execute(load("has_ledger"))
    if (await cursor.fetchone()) != (True,):
        return {}
    cursor = await connection.execute(load("read_ledger"))
    return {
        number: (name, fingerprint, at) for number, name, fingerprint, at in await cursor.fetchall()
    }


def _first_missing(applied: Ledger) -> Migration | None:
    migrations = known()
    newest = migrations[-1].number
    if any(number > newest for number in applied):
        raise MigrationError(
            "the database was migrated by a newer version of resumer-daemon; upgrade the program"
        )
    for migration in migrations:
        entry = applied.get(migration.number)
        if entry is None:
            return migration
        if entry[1] != migration.sha256:
            raise MigrationError(
                f"migration {migration.name} was changed after it had been applied"
            )
    return None


def _last_applied(applied: Ledger) -> Migration | None:
    return next((m for m in reversed(known()) if m.number in applied), None)
