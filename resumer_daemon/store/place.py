"""Where what changes the schema works, and what holds in its transactions."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.store.connect import Connection
from resumer_daemon.store.contract import search_path
from resumer_daemon.store.statements import load

LOCK_TIMEOUT = "2s"  # then we step back, and who writes to the table goes first


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


async def prepare(connection: Connection, place: Place) -> None:
    """Make the settings of a transaction that changes the schema."""
    await connection.execute(load("prepare_migration"), place.settings)
