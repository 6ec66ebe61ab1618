"""The daemon's triggers on the service's tables: their names, and which of them fire."""

from dataclasses import dataclass
from typing import Final

from resumer_daemon.store.connection import Connection, apply_settings_if_pooled, connect
from resumer_daemon.store.schema_change import (
    MigrationTarget,
    Tell,
    or_busy,
    prepare,
    retry_on_lock,
)
from resumer_daemon.store.service_schema import require_schema
from resumer_daemon.store.statements import load

GUARD = "resumer_approval_guard"
TRIGGERS = frozenset(
    {
        "resumer_approval_delete",
        "resumer_approval_insert",
        "resumer_approval_update",
        "resumer_event_insert",
        "resumer_execution_insert",
        "resumer_execution_update",
        "resumer_execution_write",
    }
)


READ_TRIGGERS: Final = "service_schema.read_triggers"


@dataclass(frozen=True, slots=True)
class Present:
    """The names of existing triggers: those that fire, and those that are disabled."""

    firing: frozenset[str]
    disabled: frozenset[str]


async def present(connection: Connection, schema: str) -> Present:
    """Return which triggers exist."""
    cursor = await connection.execute(load(READ_TRIGGERS), {"schema": schema})
    rows = await cursor.fetchall()
    return Present(
        frozenset(name for name, fires in rows if fires),
        frozenset(name for name, fires in rows if not fires),
    )


async def pending_switch(url: str, schema: str = "public", *, on: bool) -> list[str]:
    """Return the statements that would enable or disable the triggers, a transaction each."""
    async with await connect(url) as connection:
        await apply_settings_if_pooled(connection)
        return [statement for _, statement in await _statements(connection, schema, on=on)]


async def switch(
    url: str, schema: str = "public", *, on: bool, tell: Tell | None = None
) -> list[str]:
    """Enable or disable the triggers, one table at a time; return the changed tables.

    Raises:
        MigrationError: The role does not own a table, or the table was locked for too long.
    """
    async with await connect(url) as connection:
        place = MigrationTarget.of(schema, keep_columns=False)

        async def one() -> str | None:
            async with connection.transaction():
                await prepare(connection, place)
                left = await _statements(connection, schema, on=on)
                if not left:
                    return None
                table, statement = left[0]
                await or_busy(connection.execute(statement.encode()), f"the triggers of {table}")
                return table

        done: list[str] = []
        while (table := await retry_on_lock(one, tell=tell)) is not None:
            done.append(table)
        return done


async def _statements(connection: Connection, schema: str, *, on: bool) -> list[tuple[str, str]]:
    await require_schema(connection, schema)
    cursor = await connection.execute(
        load("service_schema.switch_triggers"), {"schema": schema, "on": on}
    )
    return [(name, statement) for name, statement in await cursor.fetchall()]
