"""The cost of our triggers for a writer: one wait, no subtransaction per row, plans by index."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.harness import Database
from tests.harness.inbox import WRITES, Writer, fill, left, written
from tests.harness.plans import nested

MANY = 300


@pytest.fixture
def filled(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        fill(connection, 0, MANY)
        yield connection


def test_a_locked_table_is_waited_for_once_in_a_transaction(  # P5
    database: Database, writer: Writer, filled: psycopg.Connection[Any]
):
    """Each wait is one warning: for the inbox, and before that for what tells whose a row is."""
    for tables, mode, waits in (
        ("resumer.resume_requests", "SHARE", 1),
        ("resumer.resume_requests, resumer.pauses, resumer.leases", "ACCESS EXCLUSIVE", 2),
    ):
        with database.connect() as holder, holder.transaction():
            holder.execute(f"LOCK TABLE {tables} IN {mode} MODE")
            with writer.connect() as connection, connection.transaction(force_rollback=True):
                for write in WRITES:
                    connection.execute(written(write))
        states = [state for _, state, text in writer.warnings if "rejected" not in text]
        assert states == ["55P03"] * waits
        writer.warnings.clear()
    writer.run("UPDATE workflow_executions SET status = 'cancelled' WHERE status = 'paused'")
    assert len(left(database)) == MANY
    assert writer.warnings == []


def test_whichever_statement_has_waited_the_next_one_does_not(  # P5
    database: Database, writer: Writer, filled: psycopg.Connection[Any]
):
    waited = {}
    names = [*WRITES]
    for first, second in zip(names, [*names[1:], names[0]], strict=True):
        with database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE resumer.resume_requests, resumer.event_queue IN SHARE MODE")
            with writer.connect() as connection, connection.transaction(force_rollback=True):
                connection.execute(written(first))
                connection.execute(written(second))
        waited[first] = [state for _, state, text in writer.warnings if "rejected" not in text]
        writer.warnings.clear()
    assert waited == {write: ["55P03"] for write in WRITES}


def test_a_statement_takes_no_subtransaction_for_each_row(  # P5
    database: Database, filled: psycopg.Connection[Any]
):
    """Of more than 64 in a transaction no snapshot has the numbers: each reader looks them up."""
    for locks in (False, True):
        with database.connect() as holder, holder.transaction():
            if locks:  # what the guard cannot check is left to the daemon, row by row
                holder.execute("LOCK TABLE resumer.pauses, resumer.leases IN ACCESS EXCLUSIVE MODE")
            for write in WRITES:
                with filled.transaction(force_rollback=True):
                    filled.execute(written(write))
                    [(requests, numbers)] = filled.execute(
                        "SELECT count(*), count(DISTINCT q.xmin::text) FROM ("
                        "SELECT xmin FROM resumer.resume_requests"
                        " UNION ALL SELECT xmin FROM resumer.event_queue) AS q"
                    ).fetchall()
                assert locks or requests >= MANY, write
                assert numbers <= 1, (write, locks)


def test_plans_of_triggers_are_by_index_and_too_cheap_to_be_compiled(database: Database):  # P18
    """With the settings of a server that nobody tuned, where `jit` is on.

    The session has made its plans while there was next to nothing.
    """
    with database.connect() as connection:
        fill(connection, 0, 1)
        connection.execute("VACUUM ANALYZE")
        for _ in range(7):  # from the sixth time on a plan is kept
            run_each(connection)
        fill(connection, 1, 2000)
        with nested(connection) as plans:
            run_each(connection)
        [(compiled_from,)] = connection.execute(
            "SELECT current_setting('jit_above_cost')::float8"
        ).fetchall()
    told = "\n".join(plans.texts)[-5000:]
    for table in ("pauses", "leases", "resume_requests", "approval_requests"):
        assert plans.scans(table) <= {"Index Scan", "Index Only Scan"}, told
    assert {"Index Scan", "Index Only Scan"} & plans.scans("pauses"), told
    assert plans.joins == set(), told
    assert max(plans.costs) < compiled_from, told


def run_each(connection: psycopg.Connection[Any]) -> None:
    for write in WRITES:
        with connection.transaction(force_rollback=True):
            connection.execute(written(write, "1"))
