"""The SQL interface: what each function leaves, and what it refuses with which SQLSTATE."""

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.harness import Database, eventually, every_vintage
from tests.harness.inbox import Ear, Writer, awaited, left
from tests.harness.service import Rows

pytestmark = every_vintage

AN_HOUR = timedelta(hours=1)


@contextmanager
def refused(sqlstate: str, text: str):
    with pytest.raises(psycopg.Error, match=text) as caught:
        yield
    assert caught.value.sqlstate == sqlstate
    assert caught.value.diag.message_hint


@pytest.fixture
def execution(rows: Rows) -> UUID:
    return rows.execution()


@pytest.mark.parametrize(("word", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_written_and_leaves_one_request(
    database: Database, rows: Rows, ear: Ear, execution: UUID, word: str, status: str
):
    approval = rows.approval(execution, request_id="one", expires_at="infinity")
    database.run("DELETE FROM resumer.resume_requests")
    ear.heard()
    approver = uuid4()
    [(request,)] = database.run(f"SELECT resumer.{word}('one', %s, 'seen it')", approver)
    assert database.run("SELECT id FROM resumer.resume_requests") == [(request,)]
    assert left(database) == [("approval", execution, approval, status)]
    assert ear.heard() == 1
    [(*written, age)] = database.run(
        "SELECT status, approver_id, decision_reason, (now() AT TIME ZONE 'UTC') - decided_at"
        " FROM approval_requests"
    )
    assert written == [status, approver, "seen it"]
    assert abs(age) < AN_HOUR / 2


def test_a_decision_returns_the_request_that_it_left_and_no_earlier_one(
    database: Database, rows: Rows
):
    rows.approval(request_id="one")
    given = [database.run("SELECT resumer.approve('one')")]
    database.run("UPDATE approval_requests SET status = 'pending'")
    given.append(database.run("SELECT resumer.reject('one')"))
    assert [[row] for row in database.run(
        "SELECT id FROM resumer.resume_requests WHERE decision IN ('approved', 'rejected')"
        " ORDER BY id"
    )] == given  # fmt: skip
    database.run("UPDATE approval_requests SET status = 'pending'")
    database.run("ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update")
    assert database.run("SELECT resumer.approve('one')") == [(None,)]
    assert database.run("SELECT status FROM approval_requests") == [("approved",)]


def test_who_was_asked_stays_where_nobody_is_named(database: Database, rows: Rows):
    asked = uuid4()
    rows.approval(request_id="one", approver_id=asked)
    database.run("SELECT resumer.approve('one')")
    assert database.run("SELECT approver_id FROM approval_requests") == [(asked,)]


def test_an_unknown_request_is_refused(database: Database, rows: Rows):
    rows.approval(request_id="one")
    for word in ("approve", "reject"):
        with refused("RZ404", "no approval request 'it''s not'"):
            database.run(f"SELECT resumer.{word}('it''s not')")
    with refused("RZ404", "no approval request"):
        database.run("SELECT resumer.approve(NULL)")


@pytest.mark.parametrize("status", ["approved", "rejected", "expired", " Approved "])
def test_what_is_not_pending_is_refused(database: Database, rows: Rows, status: str):
    rows.approval(request_id="one", status=status)
    before = left(database)
    with refused("RZ409", f"'one' is {status} already"):
        database.run("SELECT resumer.reject('one')")
    assert left(database) == before
    assert database.run("SELECT status FROM approval_requests") == [(status,)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_what_is_past_its_expiry_in_the_service_s_zone_is_refused(
    database: Database, rows: Rows, zone: str
):
    database.run("UPDATE resumer.control SET service_timezone = %s", zone)
    [(now_there,)] = database.run("SELECT now() AT TIME ZONE %s", zone)
    rows.approval(request_id="late", expires_at=now_there - AN_HOUR)
    rows.approval(request_id="in time", expires_at=now_there + AN_HOUR)
    rows.approval(request_id="long past", expires_at="-infinity")
    for request in ("late", "long past"):
        with refused("RZ410", "expired at"):
            database.run("SELECT resumer.approve(%s)", request)
    database.run("SELECT resumer.approve('in time')")
    [(decided_at,)] = database.run(
        "SELECT decided_at FROM approval_requests WHERE decided_at > '-infinity'"
    )
    assert abs(decided_at - now_there) < AN_HOUR / 2


async def test_of_two_who_decide_at_once_the_second_is_refused(database: Database, rows: Rows):
    rows.approval(request_id="one")
    async with await database.aconnect() as one, await database.aconnect() as other:
        async with one.transaction():
            await one.execute("SELECT resumer.approve('one')")
            rejecting = asyncio.create_task(other.execute("SELECT resumer.reject('one')"))
            waits = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"
            await eventually(lambda: database.run(waits, other.info.backend_pid))
        with refused("RZ409", "'one' is approved already"):
            await rejecting
    assert database.run("SELECT status FROM approval_requests") == [("approved",)]


def test_a_start_queues_an_execution_and_leaves_one_request(
    database: Database, rows: Rows, ear: Ear
):
    workflow = rows.workflow("flow")
    [(started,)] = database.run("""SELECT resumer.start('flow', '{"order": 1}')""")
    assert left(database) == [("start", started, None, None)]
    assert ear.heard() == 1
    [(row,)] = database.run("SELECT to_jsonb(e) FROM workflow_executions e")
    assert row["id"] == str(started)
    assert row["workflow_id"] == str(workflow)
    assert row["status"] == "pending"
    assert row["trigger_event"] == "manual"
    assert row["trigger_payload"] == {"order": 1}
    assert row["execution_id"].startswith("exec_")
    assert row.get("organization_id") == (rows.organization and str(rows.organization))
    assert row["result"] is row["completed_at"] is row["context"] is None


@pytest.mark.parametrize("payload", ["[1]", "null", "7", '"text"', None])
def test_a_start_with_a_payload_that_has_no_names_is_refused(
    database: Database, rows: Rows, payload: str | None
):
    rows.workflow("flow")
    with refused("RZ422", "the payload has to be a JSON object"):
        database.run("SELECT resumer.start('flow', %s::jsonb)", payload)
    assert left(database) == []


def test_without_a_version_the_newest_that_is_enabled_is_started(database: Database, rows: Rows):
    rows.workflow("flow", "9", created_at="2020-01-01")
    newest = rows.workflow("flow", "10", created_at="2021-01-01")
    rows.workflow("flow", "11", created_at="2022-01-01", enabled=False)
    database.run("SELECT resumer.start('flow')")
    assert database.run("SELECT workflow_id FROM workflow_executions") == [(newest,)]


def test_a_version_is_taken_at_its_word(database: Database, rows: Rows):
    old = rows.workflow("flow", "1", created_at="2020-01-01")
    rows.workflow("flow", "2")
    database.run("SELECT resumer.start('flow', version => '1')")
    assert database.run("SELECT workflow_id FROM workflow_executions") == [(old,)]


def test_an_unknown_workflow_or_version_is_refused(database: Database, rows: Rows):
    rows.workflow("flow", "1")
    with refused("RZ404", "no workflow 'flo'"):
        database.run("SELECT resumer.start('flo')")
    with refused("RZ404", "no workflow 'flow' version 2"):
        database.run("SELECT resumer.start('flow', version => '2')")
    with refused("RZ404", "no workflow 'flow'"):
        database.run("SELECT resumer.start('flow', organization_id => gen_random_uuid())")
    assert left(database) == []


def test_a_disabled_workflow_is_refused(database: Database, rows: Rows):
    rows.workflow("flow", "1", enabled=False)
    rows.workflow("flow", "2", enabled=None)
    with refused("RZ409", "'flow' is disabled"):
        database.run("SELECT resumer.start('flow', version => '1')")
    database.run("SELECT resumer.start('flow', version => '2')")


def test_an_event_is_written_and_leaves_one_request(database: Database, rows: Rows, ear: Ear):
    awaited(database, "paid")
    [(event,)] = database.run(
        """SELECT resumer.emit('paid', '{"order": 1}', organization_id => %s)""",
        rows.organization,
    )
    assert left(database) == [("event", None, event, None)]
    assert ear.heard() == 1
    [(row,)] = database.run("SELECT to_jsonb(e) FROM events e")
    assert (row["event_type"], row["payload"]) == ("paid", {"order": 1})
    assert row["event_id"].startswith("evt_")


@pytest.mark.parametrize("type_", ["''", "NULL"])
def test_an_event_without_a_type_is_refused(database: Database, type_: str):
    with pytest.raises(psycopg.Error, match="needs a type") as caught:
        database.run(f"SELECT resumer.emit({type_})")
    assert caught.value.sqlstate == "RZ422"


@pytest.mark.parametrize("payload", ["[1]", "null", "5", '"text"', None])
def test_an_event_with_a_payload_that_has_no_names_is_refused(
    database: Database, payload: str | None
):
    with refused("RZ422", "the payload has to be a JSON object"):
        database.run("SELECT resumer.emit('paid', %s::jsonb)", payload)
    assert database.run("SELECT 1 FROM events") == []


def test_a_function_is_labelled_no_calmer_than_what_it_calls(database: Database):
    """The calls are read from the text, so a name counts if all functions of that name are so."""
    found = database.run(
        """
        WITH called AS (
          SELECT f.proname, f.provolatile, c.name[1] AS name FROM pg_proc f
          CROSS JOIN LATERAL regexp_matches(
            regexp_replace(f.prosrc, '--[^\\n]*|''[^'']*''', '', 'g'), '([a-z_]+)\\(', 'g'
          ) AS c (name)
          WHERE f.pronamespace = 'resumer'::regnamespace AND f.provolatile <> 'v'
        )
        SELECT DISTINCT c.proname, c.name, f.calmest
        FROM called c CROSS JOIN LATERAL (
          SELECT min(p.provolatile) AS calmest FROM pg_proc p WHERE p.proname = c.name
            AND p.pronamespace IN ('pg_catalog'::regnamespace, 'resumer'::regnamespace)) AS f
        WHERE f.calmest > c.provolatile
        ORDER BY 1, 2"""
    )
    assert found == []


def test_an_event_of_an_organization_that_is_not_there_is_refused(database: Database):
    with pytest.raises(psycopg.Error) as caught:
        database.run("SELECT resumer.emit('paid', organization_id => gen_random_uuid())")
    assert (caught.value.sqlstate or "").startswith("RZ")


def test_who_was_granted_a_function_needs_no_right_on_a_table(
    database: Database, writer: Writer, rows: Rows
):
    rows.workflow("flow")
    rows.approval(request_id="one")
    database.run(
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {writer.role};"
        f" GRANT USAGE ON SCHEMA resumer TO {writer.role};"
        f" GRANT EXECUTE ON FUNCTION resumer.approve, resumer.start, resumer.emit TO {writer.role}"
    )
    awaited(database, "paid")
    writer.run("SELECT resumer.approve('one')")
    writer.run("SELECT resumer.start('flow')")
    writer.run("SELECT resumer.emit('paid', organization_id => %s)", rows.organization)
    assert database.run(
        "SELECT kind, actor = %s FROM resumer.requests WHERE kind <> 'adopt' ORDER BY id",
        writer.role,
    ) == [("approval", None), ("start", True)]
    assert database.run("SELECT event_type FROM resumer.event_queue") == [("paid",)]


def test_temporary_tables_do_not_mislead_a_function(database: Database, writer: Writer, rows: Rows):
    rows.workflow("flow")
    rows.approval(request_id="one")
    database.run(
        f"GRANT USAGE ON SCHEMA resumer TO {writer.role};"
        f" GRANT EXECUTE ON FUNCTION resumer.approve, resumer.start TO {writer.role}"
    )
    with writer.connect() as connection:
        for table in ("approval_requests", "workflows", "workflow_executions"):
            connection.execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})")
        connection.execute("SELECT resumer.approve('one'), resumer.start('flow')")
    assert database.run("SELECT status FROM approval_requests") == [("approved",)]
    assert database.run("SELECT status FROM workflow_executions") == [("pending",)]
