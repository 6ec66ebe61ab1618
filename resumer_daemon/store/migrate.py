"""Apply and revert migrations.

Each step is one transaction, with its lines in the history, under a lock that migrators poll for.
It locks at most one table of the service. If it waits too long for that table, it rolls back and
lets others pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, TypeAlias

import psycopg

from resumer_daemon.store.connection import Connection, apply_settings_if_pooled, connect
from resumer_daemon.store.migration_files import SCHEMA, Migration
from resumer_daemon.store.migration_history import (
    History,
    MigrationStatus,
    applied,
    entries,
    line,
    missing,
    read_history,
    read_installed,
    to_repair,
)
from resumer_daemon.store.migration_locks import (
    Lock,
    blockers,
    lock_of_policies,
    locks_of,
    locks_of_undoing,
)
from resumer_daemon.store.migration_plan import MigrationPlan, read_plan
from resumer_daemon.store.schema_change import (
    LockUnavailable,
    MigrationTarget,
    Tell,
    or_busy,
    prepare,
    retry_on_lock,
)
from resumer_daemon.store.service_schema import read_tables, require_schema
from resumer_daemon.store.statements import OWN_PATH, load, written

DEVELOPMENT_DATABASE = "resumer"


def create_development_database(url: str) -> None:
    """Create the database of `dev` on the server behind `url`, where it is missing."""
    with psycopg.connect(url, autocommit=True) as connection:
        named = {"name": DEVELOPMENT_DATABASE}
        if connection.execute(load("migrate.has_database"), named).fetchone() is None:
            connection.execute(load("migrate.create_database"))


async def adopt_blocked(url: str, *, on: bool) -> bool:
    """Set whether the service's blocked executions are adopted; return whether that changed."""
    async with await connect(url) as connection, connection.transaction():
        await apply_settings_if_pooled(connection)
        cursor = await connection.execute(load("migrate.set_adopt_blocked"), {"on": on})
    return cursor.rowcount > 0


def written_choice(*, on: bool) -> str:
    """Return the SQL of `adopt_blocked`."""
    return written("migrate.set_adopt_blocked", on=on) + ";"


async def refuse_approvals(url: str, schema: str = "public", *, on: bool) -> bool:
    """Enable or disable the trigger of the decision guard; return whether that changed.

    Raises:
        MigrationError: The role does not own the table.
    """
    async with await connect(url) as connection:
        place = MigrationTarget.of(schema, keep_columns=False)

        async def switch() -> str | None:
            async with connection.transaction():
                await prepare(connection, place)
                cursor = await connection.execute(load("migrate.guard_enabled", schema=schema))
                if (await cursor.fetchone()) == (on,):
                    return None
                if on:
                    statement = load("migrate.enable_guard", schema=schema)
                else:
                    statement = load("migrate.disable_guard", schema=schema)
                await or_busy(connection.execute(statement), "the guard of approvals")
            return "switched"

        return await retry_on_lock(switch) is not None


Direction: TypeAlias = Literal["up", "down"]


async def up(
    url: str,
    schema: str = "public",
    *,
    allow_published: bool = False,
    tell: Callable[[str], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> list[str]:
    """Apply the migrations that are missing or changed, and return their names.

    `allow_published`: publications and logical slots may carry the new columns. `tell` gets a line
    for each wait with the lock and its holder. `report` gets the name of each migration as soon as
    it is committed.

    Raises:
        MigrationError: A numbered migration differs from this version's, or a migration fails.
        NoServiceSchema: The schema of the service's tables does not exist.
        PlanRefused: The service's tables do not fit, or replication would break.
        Unreachable: The database does not respond.
    """
    async with await connect(url) as connection:
        (await _plan(connection, schema)).require(allow_published=allow_published)
        return await _run(connection, MigrationTarget.of(schema), "up", tell, report)


async def repair(
    url: str,
    schema: str = "public",
    *,
    tell: Callable[[str], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> list[str]:
    """Apply every repeatable migration again: functions, triggers and views. Errors as `up`.

    Tables and their rows stay as they are. Missing migrations are applied too.
    """
    async with await connect(url) as connection:
        (await _plan(connection, schema)).require(allow_published=True)
        [(since,)] = await (await connection.execute(load("migrate.server_time"))).fetchall()
        target = MigrationTarget.of(schema, repaired_since=since)
        return await _run(connection, target, "up", tell, report)


@dataclass(frozen=True, slots=True)
class InstallationUse:
    """The work that `down` ends: paused executions, requests in the ledger, connected daemons."""

    paused: int
    requests: int
    daemons: int


async def read_use(url: str) -> InstallationUse:
    """Return what `down` ends; zeros where the database is not migrated."""
    async with await connect(url, reads=True) as connection:
        if not await read_history(connection):
            return InstallationUse(0, 0, 0)
        [row] = await (await connection.execute(load("migrate.read_use"))).fetchall()
        return InstallationUse(*row)


async def down(
    url: str,
    schema: str = "public",
    *,
    keep_columns: bool = False,
    tell: Callable[[str], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> list[str]:
    """Revert all migrations, newest first, and return their names. Raises like `up`.

    `keep_columns`: keep columns that were added to the service's tables, with their values.
    """
    async with await connect(url) as connection:
        async with connection.transaction():
            await apply_settings_if_pooled(connection)
            await require_schema(connection, schema)
        return await _run(
            connection, MigrationTarget.of(schema, keep_columns=keep_columns), "down", tell, report
        )


async def plan(url: str, schema: str = "public") -> MigrationPlan:
    """Return the effects that `up` would have, and obstacles. Raises like `up`."""
    async with await connect(url, reads=True) as connection:
        return await _plan(connection, schema)


async def status(url: str, schema: str = "public") -> list[MigrationStatus]:
    """Return the state of each migration of this version."""
    async with await connect(url) as connection:
        await apply_settings_if_pooled(connection)
        return entries(await read_installed(connection, schema), schema)


async def pending(
    url: str, direction: Direction, schema: str = "public", *, keep_columns: bool = False
) -> list[str]:
    """Return the SQL that `up` or `down` would run, a transaction each. Raises like `up`."""
    place = MigrationTarget.of(schema, keep_columns=keep_columns)
    async with await connect(url) as connection:
        await apply_settings_if_pooled(connection)
        await require_schema(connection, schema)
        left = _left(await read_installed(connection, schema), schema, direction)
        steps = await _policy_steps(connection, schema) if direction == "down" else []
        scripts = [_script(place, step) for step in steps]
        while left:
            step = await _next_step(connection, place, direction, left)
            left = left[len(step.migrations) :]
            scripts.append(_script(place, step))
    return scripts


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: its SQL by migration, and its locks."""

    migrations: Sequence[Migration]
    parts: Sequence[tuple[str, str]]
    locks: Sequence[Lock]


async def _plan(connection: Connection, schema: str) -> MigrationPlan:
    async with connection.transaction():
        await apply_settings_if_pooled(connection)
        await require_schema(connection, schema)
        history = await read_installed(connection, schema)
        return await read_plan(connection, schema, missing(history, schema), history.keys())


def _left(history: History, schema: str, direction: Direction) -> list[Migration]:
    return missing(history, schema) if direction == "up" else applied(history, schema)


async def _next_step(
    connection: Connection, place: MigrationTarget, direction: Direction, left: Sequence[Migration]
) -> Step:
    together = list(takewhile(lambda m: m.shares_transaction, left)) or list(left[:1])
    tables = await read_tables(connection, place.schema)
    if direction == "down":
        parts = [(m.name, text) for m in together for text in _down_texts(m, place.schema)]
        kept = place.keep_columns == "on"
        return Step(together, parts, locks_of_undoing(together, tables, keep_columns=kept))
    owner = await _owner(connection, place.schema)
    parts = [(m.name, text) for m in together for text in _up_texts(m, place.schema, owner)]
    return Step(together, parts, locks_of(together, tables))


async def _policy_steps(connection: Connection, schema: str) -> list[Step]:
    """Return the steps that drop the policies of `migrate grants`, each on one table."""
    cursor = await connection.execute(load("migrate.read_policies"), {"schema": schema})
    return [
        Step(
            (),
            [(f"policies of {table}", statements)],
            [lock_of_policies(table, dropped=True)],
        )
        for table, statements in await cursor.fetchall()
    ]


async def _owner(connection: Connection, schema: str) -> str | None:
    """Return the role that must own the created objects, or None for the current role."""
    cursor = await connection.execute(load("migrate.find_owner"), {"schema": schema})
    row = await cursor.fetchone()
    return row[0] if row else None


def _up_texts(migration: Migration, schema: str, owner: str | None) -> list[str]:
    texts = [migration.script(schema)]
    if migration.binds:
        texts = [
            written("migrate.save_trigger_states"),
            *texts,
            written("migrate.restore_trigger_states"),
        ]
    note = written("migrate.insert_migration", **line(migration, schema))
    if owner is None or migration.of_the_service:
        return [*texts, note]
    hand_over = written("migrate.transfer_objects")
    if migration.name == SCHEMA:
        return [*texts, note, hand_over]
    as_owner = [written("migrate.become_owner"), *texts, note, written("migrate.become_migrator")]
    return [hand_over, *as_owner]


def _down_texts(migration: Migration, schema: str) -> list[str]:
    return [written("migrate.delete_migration", name=migration.name), migration.undo(schema)]


def _script(place: MigrationTarget, step: Step) -> str:
    locks = "".join(f"-- lock: {lock}\n" for lock in step.locks)
    body = ";\n".join(text.strip().removesuffix(";") for _, text in step.parts)
    return (
        f"{locks}BEGIN;\nSET LOCAL search_path = {OWN_PATH};\n"
        f"SET LOCAL lock_timeout = '{place.lock_timeout}';\n"
        f"SET LOCAL resumer.keep_columns = {place.keep_columns};\n{body};\nCOMMIT;\n"
    )


async def _run(
    connection: Connection,
    place: MigrationTarget,
    direction: Direction,
    tell: Tell | None,
    report: Tell | None,
) -> list[str]:
    async def in_the_way(locks: Sequence[Lock]) -> str:
        async with connection.transaction():
            await apply_settings_if_pooled(connection)
            return await blockers(connection, place.schema, locks)

    names: list[str] = []
    while done := await retry_on_lock(
        lambda: _step(connection, place, direction), in_the_way, tell
    ):
        names += done
        if report is not None:
            for name in done:
                report(name)
    return names


async def _step(connection: Connection, place: MigrationTarget, direction: Direction) -> list[str]:
    """Run the next step in one transaction, under the migrators' lock.

    Return the names of its migrations, none if nothing is left.
    """
    async with connection.transaction():
        await prepare(connection, place)
        cursor = await connection.execute(load("migrate.lock"))
        if (await cursor.fetchone()) != (True,):
            raise LockUnavailable("another migrator is running")
        history = await read_installed(connection, place.schema)
        if place.repaired_since is not None:
            history = to_repair(history, place.repaired_since)
        left = _left(history, place.schema, direction)
        policies = await _policy_steps(connection, place.schema) if direction == "down" else []
        if not left and not policies:
            return []
        step = policies[0] if policies else await _next_step(connection, place, direction, left)
        for name, text in step.parts:
            work = connection.execute(text.encode(), prepare=False)
            await or_busy(work, f"migration {name}", step.locks)
    return [migration.name for migration in step.migrations] or [step.parts[0][0]]
