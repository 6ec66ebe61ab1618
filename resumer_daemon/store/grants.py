"""Least privilege: four roles, and exactly the rights that each needs (`grants.missing_grants`).

`resumer_owner` owns schema `resumer`, and SQL functions run with its rights. `resumer_daemon` is
for the daemon, `resumer_operator` for people who start, decide and cancel, `resumer_reader` for
people who read.

If a table of the service has row-level security, each role also gets a policy for each of its
rights there. CREATE POLICY locks its table, so the policies of a table have their own transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import errors

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connection import Connection, apply_settings_if_pooled, connect
from resumer_daemon.store.migration_locks import Lock, blockers, lock_of_policies
from resumer_daemon.store.schema_change import (
    LockUnavailable,
    MigrationTarget,
    Tell,
    or_busy,
    prepare,
    retry_on_lock,
)
from resumer_daemon.store.service_schema import require_schema
from resumer_daemon.store.statements import load

DAEMON = "resumer_daemon"

SAME = (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_)


@dataclass(frozen=True, slots=True)
class Lack:
    """A right that a role lacks, and the statement that grants it.

    `what` is `existence`, `membership`, `ownership`, or the name of a right. `policy_on` is the
    table of a policy, None for anything else.
    """

    role: str
    what: str
    statement: str
    policy_on: str | None


async def missing(url: str, schema: str) -> list[Lack]:
    """Return what `give` would grant. Raises `Unreachable` and `NoServiceSchema`."""
    async with await connect(url) as connection, connection.transaction():
        await apply_settings_if_pooled(connection)
        await require_schema(connection, schema)
        policies = [right for right in await _rights(connection, schema) if right.policy_on]
        return await _missing(connection, schema) + policies


async def has_daemon_login(url: str) -> bool:
    """Return whether a login may run the daemon as a member of its role."""
    async with await connect(url) as connection, connection.transaction():
        await apply_settings_if_pooled(connection)
        cursor = await connection.execute(load("grants.has_daemon_login"))
        return (await cursor.fetchone()) == (True,)


async def to_give_again(url: str, schema: str) -> bool:
    """Return whether the roles exist but lack rights in this database. Raises `Unreachable`."""
    async with await connect(url) as connection, connection.transaction():
        await apply_settings_if_pooled(connection)
        cursor = await connection.execute(load("grants.existing_roles"))
        return bool(await cursor.fetchall() and await _missing(connection, schema))


async def give(url: str, schema: str, tell: Tell | None = None) -> list[Lack]:
    """Grant what is missing and return it.

    `tell` gets a line for each wait: the lock, and the sessions that hold it.

    Raises:
        MigrationError: The role may not grant it, or a table was locked for too long.
        NoServiceSchema: The schema of the service's tables does not exist.
    """
    async with await connect(url) as connection:
        place = MigrationTarget.of(schema, keep_columns=False)

        async def roles_and_rights() -> list[Lack]:
            async with connection.transaction():
                await prepare(connection, place)
                await require_schema(connection, schema)
                lacking = await _missing(connection, schema)
                await _grant(connection, lacking)
            return lacking

        async def policies_of_a_table() -> list[Lack]:
            async with connection.transaction():
                await prepare(connection, place)
                lacking = [r for r in await _rights(connection, schema) if r.policy_on]
                if not lacking or (table := lacking[0].policy_on) is None:
                    return []
                of_table = [right for right in lacking if right.policy_on == table]
                await _grant(connection, of_table, [lock_of_policies(table)])
            return of_table

        async def in_the_way(locks: Sequence[Lock]) -> str:
            async with connection.transaction():
                await apply_settings_if_pooled(connection)
                return await blockers(connection, schema, locks) if locks else ""

        given = await retry_on_lock(roles_and_rights)
        while policies := await retry_on_lock(policies_of_a_table, in_the_way, tell):
            given += policies
    return given


async def lacks(connection: Connection, schema: str, role: str) -> list[Lack]:
    """Return the rights that a role lacks to run the daemon."""
    rights = await _rights(connection, schema, role)
    return [lack for lack in rights if lack.role == DAEMON and lack.policy_on is None]


async def _missing(connection: Connection, schema: str) -> list[Lack]:
    rights = [right for right in await _rights(connection, schema) if right.policy_on is None]
    roles = await connection.execute(load("grants.missing_roles"))
    return [*(Lack(*row) for row in await roles.fetchall()), *rights]


async def _rights(connection: Connection, schema: str, daemon: str = DAEMON) -> list[Lack]:
    await connection.execute(load("grants.set_search_path"))
    cursor = await connection.execute(
        load("grants.missing_grants"), {"schema": schema, "as_daemon": daemon}
    )
    return [Lack(*row) for row in await cursor.fetchall()]


async def _grant(
    connection: Connection, lacking: Sequence[Lack], locks: Sequence[Lock] = ()
) -> None:
    for each in lacking:
        await _run(connection, each.statement, locks)


async def _run(connection: Connection, statement: str, locks: Sequence[Lock]) -> None:
    """Retry if another migrator grants the same: roles belong to all databases of a server."""
    try:
        await or_busy(connection.execute(statement.encode(), prepare=False), statement, locks)
    except MigrationError as error:
        if isinstance(error.__cause__, SAME):
            raise LockUnavailable(str(error), locks) from error
        raise
