"""Our triggers on the service's tables: which there should be, and which of them fire."""

from typing import Final

from resumer_daemon.store.connect import Connection
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


FIRING: Final = "read_triggers"
"""The statement that reads their names."""


async def firing(connection: Connection, schema: str) -> frozenset[str]:
    """Return the names of those that are there and enabled."""
    cursor = await connection.execute(load(FIRING), {"schema": schema})
    return frozenset([name for (name,) in await cursor.fetchall()])
