"""The place of schema changes, and the settings of their transactions."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.store.connect import Connection, settings
from resumer_daemon.store.statements import load

LOCK_TIMEOUT = "150ms"
"""How long a migration waits for a lock. All who come later wait behind it, readers too."""

DEADLOCK_TIMEOUT = "50ms"
"""A superuser's wait ends an autovacuum that holds the lock after this; less than LOCK_TIMEOUT."""


@dataclass(frozen=True, slots=True)
class Place:
    """The service's schema, and what of it a migration keeps."""

    schema: str
    keep_columns: Literal["on", "off"]

    @classmethod
    def of(cls, schema: str, *, keep_columns: bool) -> "Place":
        """Return the place for a schema of this name."""
        return cls(schema, "on" if keep_columns else "off")

    @property
    def lock_timeout(self) -> str:
        """The time that its transactions wait for a lock."""
        return LOCK_TIMEOUT

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a transaction that changes the schema."""
        return {
            "lock_timeout": self.lock_timeout,
            "deadlock_timeout": DEADLOCK_TIMEOUT,
            "keep_columns": self.keep_columns,
        }


async def prepare(connection: Connection, place: Place) -> None:
    """Make the settings of a transaction that changes the schema."""
    await connection.execute(*settings(local=True))
    await connection.execute(load("prepare_migration"), place.settings)
