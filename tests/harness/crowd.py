"""A database as it is after years: paused and finished executions, and all that belongs to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from uuid import UUID

from psycopg import sql

from tests.harness.database import Database

SCRIPT = Path(__file__).with_name("crowd.sql")
DECISIONS, EVENTS = 900_000_000, 800_000_000
"""What the ids of open decisions, and those of events, begin behind."""

# where a look at every row would be one at all that was ever paused or finished
CROWDED = {
    "workflow_executions", "approval_requests", "step_executions", "events",
    "resume_requests", "settled_requests", "event_queue", "captured_events", "event_keys",
    "pauses", "leases", "effects", "outbox", "event_waits",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crowd:
    """The size of each table; the numbers begin at 1."""

    finished: int
    paused: int
    events: int


def paused(number: int) -> UUID:
    """Return the id of a paused execution."""
    return _id(f"paused {number:06}")


def finished(number: int) -> tuple[str, UUID]:
    """Return the key and the id of a finished execution."""
    key = f"completed {number:06}"
    return key, _id(key)


def _id(key: str) -> UUID:
    return UUID(md5(key.encode(), usedforsecurity=False).hexdigest())


def fill(database: Database, crowd: Crowd, *, behind: int = 0) -> None:
    """Fill the tables, but for the first `behind` of each, which are there."""
    script = SCRIPT.read_text("utf-8")
    for token, number in {
        "{first}": behind + 1,
        "{last}": crowd.finished,
        "{paused}": crowd.paused,
        "{events}": crowd.events,
    }.items():
        script = script.replace(token, str(number))
    with database.connect() as connection:
        connection.execute(script.encode())


def never_vacuumed(database: Database) -> None:
    """Let autovacuum leave the crowded tables alone, so that nobody analyses them in between."""
    for table in _tables(database):
        database.run(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())  # type: ignore[arg-type]


@contextmanager
def without_indexes(database: Database) -> Iterator[None]:
    """Take the indexes from the crowded tables while they are filled, but for their keys."""
    indexes = database.run(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)"
        " FROM pg_index i WHERE i.indrelid = ANY (%s::regclass[]) AND NOT EXISTS ("
        " SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        _tables(database),
    )
    with database.connect() as connection:
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
        yield
        connection.execute("SET maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            connection.execute(definition.encode())


def _tables(database: Database) -> list[str]:
    return [
        table
        for (table,) in database.run(
            "SELECT relid::regclass::text FROM pg_stat_user_tables WHERE relname = ANY (%s)",
            [*CROWDED],
        )
    ]
