"""Where what changes the schema works, and what holds in its transactions."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.store.connect import Connection, settings
from resumer_daemon.store.statements import load

LOCK_TIMEOUT = "2s"  # then we step back, and who writes to the table goes first


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
    def settings(self) -> dict[str, str]:
        """What holds in the transaction of each."""
        return {
            "lock_timeout": LOCK_TIMEOUT,
            "keep_columns": self.keep_columns,
        }


async def prepare(connection: Connection, place: Place) -> None:
    """Make the settings of a transaction that changes the schema."""
    await connection.execute(*settings(local=True))
    await connection.execute(load("prepare_migration"), place.settings)
