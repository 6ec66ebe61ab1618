"""The service's tables as a migration finds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from resumer_daemon.store.arrays import array
from resumer_daemon.store.connect import Connection
from resumer_daemon.store.statements import SERVICE_TABLES, load


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the service; `rows` and `bytes` are those of the last ANALYZE.

    `owned`: our role has the rights of the owner. `added` are the columns that a migration has
    added, `triggers` are ours.
    """

    name: str
    owner: str
    owned: bool
    rows: int
    bytes: int
    partitions: int
    row_security: bool
    forced: bool
    columns: Sequence[str]
    added: Sequence[str]
    triggers: Sequence[str]


async def read_tables(connection: Connection, schema: str) -> Mapping[str, Table]:
    """Return the tables of the service that are there, by name."""
    cursor = connection.cursor(row_factory=class_row(Table))
    await cursor.execute(load("plan_tables"), {"schema": schema, "tables": array(SERVICE_TABLES)})
    return {table.name: table for table in await cursor.fetchall()}
