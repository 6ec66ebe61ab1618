"""Every way to write a decision, by a program that knows nothing of us: what reaches the inbox."""

from uuid import UUID

import psycopg
import pytest

from tests.harness import Database, every_vintage
from tests.harness.inbox import Ear, Writer, left
from tests.harness.service import Rows

DECIDE = "UPDATE approval_requests SET status = %s WHERE id = %s"
INSERT = "INSERT INTO approval_requests (request_id, execution_id, status) VALUES (%s, %s, %s)"


@pytest.fixture
def execution(rows: Rows) -> UUID:
    return rows.execution()


@pytest.fixture
def approval(database: Database, rows: Rows, execution: UUID) -> UUID:
    """Return a pending approval; what its own insert left is taken away."""
    approval = rows.approval(execution, request_id="asked")
    database.run("DELETE FROM resumer.resume_requests")
    return approval


@every_vintage
@pytest.mark.parametrize("verdict", ["approved", "rejected", "expired"])
def test_an_update_leaves_a_request_and_wakes(
    database: Database, writer: Writer, ear: Ear, approval: UUID, execution: UUID, verdict: str
):
    ear.heard()
    writer.run(DECIDE, verdict, approval)
    assert left(database) == [("approval", execution, approval, verdict)]
    assert ear.heard() == 1
    assert writer.warnings == []


@every_vintage
def test_an_insert_that_is_decided_already_leaves_a_request(
    database: Database, writer: Writer, ear: Ear, rows: Rows, execution: UUID
):
    [(approval,)] = writer.run(
        f"INSERT INTO approval_requests (request_id, execution_id, status{rows.column})"
        f" VALUES ('one', %s, 'approved'{rows.value}) RETURNING id",
        execution,
    )
    assert left(database) == [("approval", execution, approval, "approved")]
    assert ear.heard() == 1


def test_a_pending_insert_asks_for_a_look(
    database: Database, writer: Writer, ear: Ear, execution: UUID
):
    [(approval,)] = writer.run(f"{INSERT} RETURNING id", "one", execution, "pending")
    assert left(database) == [("adopt", execution, approval, "pending")]
    assert ear.heard() == 1


def test_a_pending_insert_without_an_execution_leaves_nothing(
    database: Database, writer: Writer, ear: Ear
):
    writer.run(INSERT, "one", None, "pending")
    assert (left(database), ear.heard()) == ([], 0)


def test_a_decision_without_an_execution_is_left_too(database: Database, writer: Writer):
    [(approval,)] = writer.run(f"{INSERT} RETURNING id", "one", None, "approved")
    assert left(database) == [("approval", None, approval, "approved")]


@pytest.mark.parametrize("odd", [" Approved ", "APPROVED", "yes", "", "true", "ap\nproved", "✅"])
def test_an_odd_status_is_left_as_it_was_written(
    database: Database, writer: Writer, approval: UUID, execution: UUID, odd: str
):
    writer.run(DECIDE, odd, approval)
    assert left(database) == [("approval", execution, approval, odd)]


def test_copy_leaves_a_request_for_each_decided_row_and_wakes_once(
    database: Database, writer: Writer, ear: Ear, execution: UUID
):
    with writer.connect() as connection, connection.cursor() as cursor:
        copy = "COPY approval_requests (request_id, execution_id, status) FROM STDIN"
        with cursor.copy(copy) as rows:
            for number in range(1000):
                rows.write_row((str(number), execution, ("pending", "approved")[number % 2]))
    kinds = [kind for kind, *_ in left(database)]
    assert (kinds.count("approval"), kinds.count("adopt"), ear.heard()) == (500, 500, 1)


def test_an_upsert_leaves_what_it_inserted_and_what_it_changed(
    database: Database, writer: Writer, approval: UUID
):
    upsert = (
        "INSERT INTO approval_requests (request_id, status)"
        " VALUES ('asked', 'approved'), (gen_random_uuid()::text, 'rejected')"
        " ON CONFLICT (request_id) DO UPDATE SET status = excluded.status"
    )
    writer.run(upsert)
    decisions = sorted((source == approval, said) for _, _, source, said in left(database))
    assert decisions == [(False, "rejected"), (True, "approved")]
    writer.run(upsert)
    assert [decision for *_, decision in left(database)[2:]] == ["rejected"]


def test_merge_leaves_what_it_inserted_and_what_it_changed(
    database: Database, writer: Writer, approval: UUID
):
    [(version,)] = database.run("SELECT current_setting('server_version_num')::int")
    if version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    writer.run(
        "MERGE INTO approval_requests a"
        " USING (VALUES ('asked', 'approved'), ('new', 'expired')) AS s (key, status)"
        " ON a.request_id = s.key"
        " WHEN MATCHED THEN UPDATE SET status = s.status"
        " WHEN NOT MATCHED THEN INSERT (request_id, status) VALUES (s.key, s.status)"
    )
    decisions = sorted((source == approval, said) for _, _, source, said in left(database))
    assert decisions == [(False, "expired"), (True, "approved")]


def test_a_statement_within_a_statement_counts(
    database: Database, writer: Writer, approval: UUID, execution: UUID
):
    writer.run(
        "WITH decided AS (UPDATE approval_requests SET status = 'approved' RETURNING id),"
        " more AS (INSERT INTO approval_requests (request_id, status) VALUES ('b', 'rejected'))"
        " SELECT count(*) FROM decided"
    )
    assert ("approval", execution, approval, "approved") in left(database)
    assert sorted(decision or "" for *_, decision in left(database)) == ["approved", "rejected"]


def test_what_is_rolled_back_leaves_nothing(
    database: Database, writer: Writer, ear: Ear, approval: UUID
):
    ear.heard()
    with writer.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(DECIDE, ["approved", approval])
    assert (left(database), ear.heard()) == ([], 0)


def test_what_is_rolled_back_to_a_savepoint_leaves_nothing_of_it(
    database: Database, writer: Writer, approval: UUID, execution: UUID
):
    with writer.connect() as connection, connection.transaction():
        with connection.transaction(force_rollback=True):
            connection.execute(DECIDE, ["rejected", approval])
        connection.execute(DECIDE, ["approved", approval])
    assert left(database) == [("approval", execution, approval, "approved")]


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_every_isolation_level_leaves_a_request(
    database: Database, writer: Writer, ear: Ear, approval: UUID, execution: UUID, level: str
):
    with writer.connect() as connection, connection.transaction():
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute("SELECT count(*) FROM approval_requests")
        connection.execute(DECIDE, ["approved", approval])
    assert left(database) == [("approval", execution, approval, "approved")]
    assert ear.heard() >= 1


def test_serializable_writers_with_nothing_in_common_do_not_fail_for_us(
    database: Database, writer: Writer, rows: Rows
):
    approvals = [rows.approval() for _ in range(2)]
    with writer.connect() as one, writer.connect() as other:
        for connection, approval in zip((one, other), approvals, strict=True):
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            connection.execute(DECIDE, ["approved", approval])
        one.execute("COMMIT")
        other.execute("COMMIT")
    assert [source for _, _, source, _ in left(database)] == approvals


def test_a_serializable_writer_with_a_real_conflict_fails_as_it_must(
    database: Database, rows: Rows, approval: UUID
):
    """The other one has read the inbox before it, and has written what it has read."""
    workflow = rows.workflow("flow")
    with database.connect() as one, database.connect() as other:
        for connection in (one, other):
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        one.execute("SELECT name FROM workflows")
        other.execute("SELECT count(*) FROM resumer.requests")
        other.execute("UPDATE workflows SET name = 'other' WHERE id = %s", [workflow])
        other.execute("COMMIT")
        with pytest.raises(psycopg.errors.SerializationFailure):
            one.execute(DECIDE, ["approved", approval])
    assert left(database) == []


def test_each_change_of_a_decision_is_left(database: Database, writer: Writer, approval: UUID):
    for status in ("approved", "rejected", "pending", "rejected"):
        writer.run(DECIDE, status, approval)
    assert [decision for *_, decision in left(database)] == ["approved", "rejected", "rejected"]


def test_the_same_status_again_leaves_nothing_more(
    database: Database, writer: Writer, ear: Ear, approval: UUID
):
    writer.run(DECIDE, "approved", approval)
    ear.heard()
    writer.run("UPDATE approval_requests SET status = 'approved', reason = 'again'")
    writer.run("UPDATE approval_requests SET decided_at = now(), approver_role = 'boss'")
    assert (len(left(database)), ear.heard()) == (1, 0)


def test_a_statement_that_decides_one_leaves_nothing_for_another(
    database: Database, writer: Writer, rows: Rows, approval: UUID
):
    writer.run(DECIDE, "approved", approval)
    other = rows.approval(rows.execution(), request_id="other")
    database.run("DELETE FROM resumer.resume_requests")
    writer.run("UPDATE approval_requests SET status = 'approved', reason = 'all of them'")
    [(source,)] = database.run("SELECT source_id FROM resumer.resume_requests")
    assert source == other


def test_a_decision_that_is_given_to_another_execution_is_left_for_that_one(
    database: Database, writer: Writer, rows: Rows, approval: UUID, execution: UUID
):
    other = rows.execution()
    writer.run(DECIDE, "approved", approval)
    writer.run("UPDATE approval_requests SET execution_id = %s", other)
    assert [to for _, to, _, _ in left(database)] == [execution, other]


def test_a_deleted_approval_leaves_nothing(database: Database, writer: Writer, approval: UUID):
    writer.run("DELETE FROM approval_requests WHERE id = %s", approval)
    assert left(database) == []


def test_our_own_pending_insert_leaves_nothing_but_our_own_decision_does(
    database: Database, writer: Writer, ear: Ear, execution: UUID
):
    with writer.connect() as connection, connection.transaction():
        connection.execute("SELECT set_config('resumer.own', 'on', true)")
        connection.execute(INSERT, ["one", execution, "pending"])
        assert left(database) == []
        connection.execute("UPDATE approval_requests SET status = 'expired'")
    assert [(kind, said) for kind, _, _, said in left(database)] == [("approval", "expired")]
    assert ear.heard() == 1


def test_our_own_insert_of_both_leaves_only_the_decision(
    database: Database, writer: Writer, execution: UUID
):
    with writer.connect() as connection, connection.transaction():
        connection.execute("SELECT set_config('resumer.own', 'on', true)")
        both = "SELECT s, %s, s FROM unnest(ARRAY['pending', 'approved']) AS s"
        connection.execute(
            f"INSERT INTO approval_requests (request_id, execution_id, status) {both}", [execution]
        )
    assert [kind for kind, *_ in left(database)] == ["approval"]


@pytest.mark.parametrize("own", ["", "off", "true"])
def test_only_the_word_on_tells_our_own_writes(
    database: Database, writer: Writer, execution: UUID, own: str
):
    with writer.connect() as connection:
        connection.execute("SELECT set_config('resumer.own', %s, false)", [own])
        connection.execute(INSERT, ["one", execution, "pending"])
    assert [kind for kind, *_ in left(database)] == ["adopt"]
