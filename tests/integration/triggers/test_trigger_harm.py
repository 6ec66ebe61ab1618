"""A trigger of ours never makes another program's statement fail, wait or do what it should not."""

from uuid import UUID

import pytest
from psycopg import errors

from tests.harness import Database
from tests.harness.inbox import Ear, Writer, awaited, left
from tests.harness.service import Rows

DECIDE = "UPDATE approval_requests SET status = 'approved' WHERE id = %s"

# what a decision, a new approval and an event run through
WRITES = {
    "decision": "UPDATE approval_requests SET status = 'approved'",
    "upsert": "INSERT INTO approval_requests (request_id, status) VALUES ('asked', 'approved')"
    " ON CONFLICT (request_id) DO UPDATE SET status = excluded.status",
    "approval": "INSERT INTO approval_requests (request_id, execution_id, status)"
    " SELECT 'new', id, 'pending' FROM workflow_executions",
    "event": "INSERT INTO events (event_id, event_type, payload) VALUES ('e', 'paid', '{}')",
}

each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.fixture(autouse=True)
def approval(database: Database, rows: Rows) -> UUID:
    awaited(database, "paid")
    approval = rows.approval(rows.execution(), request_id="asked")
    database.run("DELETE FROM resumer.resume_requests")
    return approval


@each_write
@pytest.mark.parametrize("mode", ["SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"])
def test_a_locked_inbox_costs_the_writer_one_warning(
    database: Database, writer: Writer, write: str, mode: str
):
    with database.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE resumer.resume_requests, resumer.event_queue IN {mode} MODE")
        # without the trigger's own limit it would wait for ever; each limit is one warning
        writer.run(write)
    [(severity, sqlstate, text)] = writer.warnings
    assert (severity, sqlstate) == ("WARNING", "55P03")
    assert text.endswith("left to the reconciler")
    assert left(database) == []


def test_a_locked_control_row_costs_no_more(database: Database, writer: Writer, approval: UUID):
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.control IN ACCESS EXCLUSIVE MODE")
        writer.run(DECIDE, approval)
    assert [sqlstate for _, sqlstate, _ in writer.warnings] == ["55P03"]


@pytest.mark.parametrize("setting", ["notify = 'off'", "polling_until = 'infinity'"])
def test_an_update_of_the_control_row_holds_nobody_up(
    database: Database, writer: Writer, approval: UUID, setting: str
):
    with database.connect() as holder, holder.transaction():
        holder.execute(f"UPDATE resumer.control SET {setting}")
        writer.run(DECIDE, approval)
    assert writer.warnings == []
    assert len(left(database)) == 1


@each_write
@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE resumer.resume_requests RENAME TO gone;"
        " ALTER TABLE resumer.event_queue RENAME TO gone_too",
        "ALTER TABLE resumer.control DROP COLUMN notify CASCADE",
        "ALTER VIEW resumer.notify_enabled RENAME TO gone",
        "ALTER TABLE resumer.resume_requests ADD CHECK (kind = 'none');"
        " ALTER TABLE resumer.event_queue ADD CHECK (event_type = 'none')",
        "ALTER TABLE resumer.resume_requests DROP COLUMN source_id CASCADE;"
        " ALTER TABLE resumer.event_queue DROP COLUMN event_id",
    ],
)
def test_where_our_schema_is_damaged_the_writer_gets_a_warning(
    database: Database, writer: Writer, write: str, damage: str
):
    database.run(damage)
    writer.run(write)
    assert {severity for severity, *_ in writer.warnings} == {"WARNING"}


def test_what_is_no_decision_meets_nothing_of_ours(database: Database, writer: Writer):
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.resume_requests, resumer.event_queue, resumer.control")
        writer.run("UPDATE approval_requests SET reason = 'longer', expires_at = now()")
        writer.run("UPDATE approval_requests SET status = 'approved' WHERE false")
        writer.run("INSERT INTO approval_requests (request_id, status) VALUES ('x', 'pending')")
        writer.run("INSERT INTO approval_requests SELECT * FROM approval_requests WHERE false")
        writer.run("INSERT INTO events SELECT * FROM events WHERE false")
        writer.run("DELETE FROM approval_requests WHERE request_id = 'x'")
    assert writer.warnings == []


def test_a_writer_has_no_right_on_our_schema(writer: Writer):
    for statement in (
        "SELECT FROM resumer.requests",
        "SELECT FROM resumer.control",
        "SELECT resumer.wake()",
        "SELECT resumer.approve('asked')",
        "SELECT resumer.start('flow')",
        "SELECT resumer.emit('paid')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            writer.run(statement)


def test_no_function_of_ours_may_be_called_by_everybody(database: Database):
    assert (
        database.run(
            "SELECT p.oid::regprocedure::text FROM pg_proc p"
            " WHERE p.pronamespace = 'resumer'::regnamespace AND (p.proacl IS NULL OR EXISTS ("
            " SELECT FROM aclexplode(p.proacl) AS granted WHERE granted.grantee = 0))"
        )
        == []
    )


def test_each_definer_looks_into_schemas_that_are_named_and_last_into_temporary_tables(
    database: Database,
):
    paths = database.run(
        "SELECT p.oid::regprocedure::text, setting FROM pg_proc p"
        " LEFT JOIN unnest(p.proconfig) AS setting ON setting LIKE 'search_path=%'"
        " WHERE p.pronamespace = 'resumer'::regnamespace AND p.prosecdef"
    )
    trusted = {"search_path=pg_catalog, resumer, pg_temp", "search_path=pg_catalog, pg_temp"}
    assert paths
    # their bodies name the schema of everything (test_search_path.py)
    assert sorted(name for name, path in paths if path not in trusted) == [
        "resumer.is_ours(uuid,text)", "resumer.protect_execution()",
    ]  # fmt: skip


def test_tables_of_the_same_name_do_not_mislead_a_trigger(
    database: Database, writer: Writer, ear: Ear, approval: UUID
):
    ear.heard()
    with writer.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE resume_requests (execution_id uuid)")
        connection.execute("CREATE TEMPORARY TABLE new_rows (id uuid, status text)")
        connection.execute("CREATE TEMPORARY TABLE old_rows (id uuid, status text)")
        connection.execute(
            "CREATE TEMPORARY TABLE control AS SELECT 'off' AS notify, 'infinity' AS polling_until"
        )
        connection.execute(
            "CREATE FUNCTION pg_temp.pg_notify(text, text) RETURNS void LANGUAGE sql AS ''"
        )
        connection.execute("SET search_path = pg_temp, public")
        connection.execute(DECIDE, [approval])
        assert connection.execute("SELECT count(*) FROM resume_requests").fetchone() == (0,)
    assert len(left(database)) == 1
    assert ear.heard() == 1
    assert writer.warnings == []


def test_a_hundred_thousand_decisions_after_single_ones_are_one_notification(
    database: Database, writer: Writer, ear: Ear, rows: Rows
):
    many = 100_000
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO approval_requests (request_id, execution_id, status)"
            " SELECT n::text, %s, 'pending' FROM generate_series(1, %s) AS n",
            [rows.execution(), many],
        )
    with writer.connect() as connection:
        single = "UPDATE approval_requests SET status = %s WHERE request_id = 'asked'"
        for status in ("approved", "pending") * 6:
            connection.execute(single, [status])
        database.run("DELETE FROM resumer.resume_requests")
        ear.heard()
        # a plan that the single ones left, of a join, would take many minutes: the writer has one
        connection.execute("UPDATE approval_requests SET status = 'rejected'")
    assert ear.heard() == 1
    counted = "SELECT count(*), count(DISTINCT source_id) FROM resumer.requests"
    assert database.run(counted) == [(many + 1, many + 1)]
    assert writer.warnings == []


def test_ten_thousand_updates_that_decide_nothing_are_nothing_to_us(
    database: Database, writer: Writer, ear: Ear, rows: Rows
):
    database.run(
        "INSERT INTO approval_requests (request_id, execution_id, status)"
        " SELECT n::text, %s, CASE n %% 2 WHEN 0 THEN 'pending' ELSE 'approved' END"
        " FROM generate_series(1, 10000) AS n",
        rows.execution(),
    )
    database.run("DELETE FROM resumer.resume_requests")
    ear.heard()
    writer.run("UPDATE approval_requests SET reason = 'because', approver_role = 'boss'")
    assert (left(database), ear.heard()) == ([], 0)


# what a writer does that has read the inbox, as the other has: it leaves a request that the other
# has not seen; rows are named by their place, for one page of an index is a conflict of its own
CONFLICTS = {
    "decision": "UPDATE approval_requests SET status = 'approved' WHERE ctid = %(approval)s",
    "approval": "INSERT INTO approval_requests (request_id, execution_id, status)"
    " SELECT 'new ' || execution_id, id, 'pending' FROM workflow_executions"
    " WHERE ctid = %(execution)s",
    "event": "INSERT INTO events (event_id, event_type, payload)"
    " VALUES (%(execution)s, 'paid', '{}')",
    "deletion": "DELETE FROM approval_requests WHERE ctid = %(approval)s",
    "move": "UPDATE approval_requests SET execution_id = NULL WHERE ctid = %(approval)s",
    "block": "UPDATE workflow_executions SET status = 'completed', result = 'blocked'"
    " WHERE ctid = %(execution)s",
    "refused write": "UPDATE workflow_executions SET status = 'paused', result = 'x'"
    " WHERE ctid = %(execution)s",
}


@pytest.mark.parametrize("write", CONFLICTS)
def test_of_two_serializable_writers_in_conflict_one_gets_40001(
    database: Database, rows: Rows, write: str
):
    for execution in (rows.execution(), rows.execution()):
        rows.approval(execution, request_id=str(execution))
        database.run(
            "INSERT INTO resumer.pauses (execution_id, number, reason) VALUES (%s, 1, 'x')",
            execution,
        )
    database.run("DELETE FROM resumer.resume_requests")
    if write == "refused write":
        database.run(
            "INSERT INTO resumer.leases (execution_id, epoch, lease_until)"
            " SELECT id, 1, 'infinity' FROM workflow_executions"
        )
    places = database.run(
        "SELECT a.ctid::text, e.ctid::text FROM approval_requests a"
        " JOIN workflow_executions e ON e.id::text = a.request_id"
    )
    first, second = ({"approval": a, "execution": e} for a, e in places)
    with database.connect() as one, database.connect() as two:
        for connection in (one, two):
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            connection.execute("SELECT count(*) FROM resumer.resume_requests")
            connection.execute("SELECT count(*) FROM resumer.event_queue")
        one.execute(CONFLICTS[write], first)
        one.execute("COMMIT")
        with pytest.raises(errors.SerializationFailure):
            two.execute(CONFLICTS[write], second)
    assert left(database)
