"""Least privilege: four roles, and exactly the rights that each needs (`sql/missing_grants.sql`).

`resumer_owner` owns our schema, and our functions run with its rights; `resumer_daemon` is for the
daemon, `resumer_operator` for who starts, decides and cancels, `resumer_reader` for who looks.
"""

from dataclasses import dataclass

from psycopg import errors

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connect import Connection, connect, settle_pooled
from resumer_daemon.store.patience import Busy, or_busy, patiently
from resumer_daemon.store.place import Place, prepare
from resumer_daemon.store.statements import load

DAEMON = "resumer_daemon"

SAME = (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_)


@dataclass(frozen=True, slots=True)
class Lack:
    """A right that a role lacks, and the statement that gives it."""

    role: str
    what: str
    statement: str


async def missing(url: str, schema: str) -> list[str]:
    """Return the statements that are missing, in their order. Raises Unreachable."""
    async with await connect(url) as connection:
        await settle_pooled(connection)
        return await _missing(connection, schema)


async def give(url: str, schema: str) -> list[str]:
    """Run the statements that are missing, in one transaction, and return them.

    Raises:
        MigrationError: Who asks may not give these rights, or a table was locked for too long.
    """
    given: list[str] = []

    async def run_all() -> str | None:
        async with connection.transaction():
            await prepare(connection, place)
            given[:] = await _missing(connection, schema)
            await connection.execute(load("grant_path"), {"schema": schema})
            for statement in given:
                await _run(connection, statement)
        return None

    async with await connect(url) as connection:
        place = Place.of(schema, keep_columns=False)
        await patiently(run_all)
    return given


async def lacks(connection: Connection, schema: str, role: str) -> list[Lack]:
    """Return what a role lacks that shall do the daemon's work."""
    return [lack for lack in await _rights(connection, schema, role) if lack.role == DAEMON]


async def _missing(connection: Connection, schema: str) -> list[str]:
    roles = await connection.execute(load("missing_roles"))
    rights = await _rights(connection, schema, DAEMON)
    policies = await connection.execute(load("missing_policies"), {"schema": schema})
    return [
        *(statement for (statement,) in await roles.fetchall()),
        *(lack.statement for lack in rights),
        *(statement for (statement,) in await policies.fetchall()),
    ]


async def _rights(connection: Connection, schema: str, daemon: str) -> list[Lack]:
    cursor = await connection.execute(
        load("missing_grants"), {"schema": schema, "as_daemon": daemon}
    )
    return [Lack(*row) for row in await cursor.fetchall()]


async def _run(connection: Connection, statement: str) -> None:
    """Roles belong to all databases of a server: another migrator may give the same just now."""
    try:
        await or_busy(connection.execute(statement.encode(), prepare=False), statement)
    except MigrationError as error:
        if isinstance(error.__cause__, SAME):
            raise Busy(str(error)) from error
        raise
