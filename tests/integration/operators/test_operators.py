"""The SQL interface without a daemon: views, status, and the moves that a pause refuses."""

from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.harness import Database, every_vintage
from tests.harness.inbox import Ear, Writer, left
from tests.harness.service import Rows

pytestmark = every_vintage


@contextmanager
def refused(sqlstate: str, text: str):
    with pytest.raises(psycopg.Error, match=text) as caught:
        yield
    assert caught.value.sqlstate == sqlstate
    assert caught.value.diag.message_hint


def a_pause(database: Database, execution: UUID, reason: str, **values: object) -> None:
    columns = {"execution_id": execution, "number": 1, "reason": reason, "step_id": "ask", **values}
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    database.run(f"INSERT INTO resumer.pauses ({names}) VALUES ({marks})", *columns.values())
    database.run(
        "UPDATE resumer.pauses p SET organization_id = (to_jsonb(e) ->> 'organization_id')::uuid"
        " FROM workflow_executions e WHERE e.id = p.execution_id"
    )


def view(database: Database, name: str) -> list[dict[str, Any]]:
    with database.connect(row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM resumer.{name}").fetchall()


def status(database: Database, execution: UUID) -> dict[str, Any]:
    [(found,)] = database.run("SELECT resumer.status(%s)", execution)
    return dict(found)


def pause(database: Database, execution: UUID) -> int:
    [(request,)] = database.run("SELECT resumer.pause(%s, 'stock count', 'mia')", execution)
    return int(request)


def test_a_pause_of_what_is_paused_leaves_one_request_with_its_name_and_reason(
    database: Database, rows: Rows, ear: Ear
):
    execution = rows.execution("paused")
    a_pause(database, execution, "approval_required")
    database.run("DELETE FROM resumer.resume_requests")
    ear.heard()
    request = pause(database, execution)
    assert ear.heard() == 1
    assert database.run(
        "SELECT id, execution_id, kind, actor, reason, outcome FROM resumer.requests"
    ) == [(request, execution, "pause", "mia", "stock count", None)]


@pytest.mark.parametrize("stands", ["running", "pending", "waiting"])
def test_what_another_program_runs_cannot_be_paused(database: Database, rows: Rows, stands: str):
    execution = rows.execution(stands)
    before = left(database)
    with refused("RZ409", f"is {stands}"):
        pause(database, execution)
    assert left(database) == before


def test_what_a_daemon_runs_or_will_begin_can_be_paused(database: Database, rows: Rows):
    running = rows.execution("running")
    database.run(
        "INSERT INTO resumer.leases (execution_id, lease_until) VALUES (%s, now())", running
    )
    rows.workflow("flow")
    [(queued,)] = database.run("SELECT resumer.start('flow')")
    for execution in (running, queued):
        pause(database, execution)
    assert [kind for kind, *_ in left(database)] == ["start", "pause", "pause"]


@pytest.mark.parametrize("stands", ["completed", "failed", "cancelled"])
def test_what_has_ended_cannot_be_paused(database: Database, rows: Rows, stands: str):
    with refused("RZ409", f"is {stands}: pause is not possible"):
        pause(database, rows.execution(stands))


def test_what_is_held_already_is_not_held_twice(database: Database, rows: Rows):
    execution = rows.execution("paused")
    a_pause(database, execution, "manual", manual_pause=Jsonb({"actor": "mia"}))
    with refused("RZ409", "is paused manually already"):
        pause(database, execution)


def test_an_unknown_execution_has_no_status_and_no_pause(database: Database):
    for function in ("pause", "status"):
        with refused("RZ404", "no execution"):
            database.run(f"SELECT resumer.{function}(%s)", uuid4())


def test_the_status_of_what_waits_for_an_approval(database: Database, rows: Rows):
    execution = rows.execution("paused")
    asked = rows.approval(
        execution, request_id="mine", approver_role="sales", requested_at="2026-01-31 09:30"
    )
    older = rows.approval(execution, request_id="older")
    a_pause(
        database, execution, "approval_required", next_steps=Jsonb({"approved": "ship"}),
        approval_ids=[asked], prior_approval_ids=[older],
    )  # fmt: skip
    database.run("DELETE FROM resumer.resume_requests")
    database.run("UPDATE resumer.control SET service_timezone = 'Asia/Tokyo'")
    found = status(database, execution)
    assert found["id"] == str(execution)
    assert found["organization_id"] == (rows.organization and str(rows.organization))
    stands = ("status", "paused_reason", "paused_step_id", "next_step_id", "resume_count")
    assert [found[name] for name in stands] == ["paused", "approval_required", "ask", "ship", 0]
    assert found["waiting_for"]["needed"] == 1
    [approval] = found["waiting_for"]["approvals"]
    assert (approval["request_id"], approval["role"]) == ("mine", "sales")
    assert approval["requested_at"].startswith("2026-01-31T00:30")
    assert (found["open_requests"], found["lease"], found["result"]) == ([], None, None)


def test_the_status_of_what_runs_names_the_lease_and_the_open_requests(
    database: Database, rows: Rows
):
    execution, instance = rows.execution("running"), uuid4()
    database.run(
        "INSERT INTO resumer.instances (id, host, version, silence)"
        " VALUES (%s, 'node-7', '1.0', '1 minute')",
        instance,
    )
    database.run(
        "INSERT INTO resumer.leases (execution_id, instance, epoch, lease_until)"
        " VALUES (%s, %s, 3, now())",
        execution,
        instance,
    )
    request = pause(database, execution)
    found = status(database, execution)
    assert (found["lease"]["host"], found["lease"]["epoch"]) == ("node-7", 3)
    [opened] = found["open_requests"]
    assert (opened["id"], opened["kind"], opened["held"]) == (request, "pause", False)
    assert found["paused_at"] is found["waiting_for"] is None


def test_the_views_show_what_waits_what_is_late_what_was_decided_and_what_is_broken(
    database: Database, rows: Rows
):
    execution, broken = rows.execution("paused"), rows.execution("paused")
    a_pause(database, execution, "waiting_for_event", waiting=Jsonb({"event": "paid"}))
    remedy = {"cause": "step_budget", "detail": "1,000 steps", "remedy": "retry"}
    a_pause(database, broken, "incident", incident=Jsonb(remedy))
    database.run("DELETE FROM resumer.resume_requests")
    pause(database, execution)
    database.run(
        "INSERT INTO resumer.settled_requests (id, kind, outcome, due_at, requested_at)"
        " VALUES (-1, 'event', 'applied', now(), now()), (-2, 'adopt', 'superseded', now(), now())"
    )
    database.run(
        "INSERT INTO resumer.resume_requests (execution_id, kind, due_at)"
        " VALUES (%s, 'timeout', now() + interval '1 hour')",
        execution,
    )
    waiting = {row["execution_id"]: row["waiting_for"] for row in view(database, "inbox")}
    assert waiting == {execution: {"event": "paid"}, broken: remedy}
    assert [row["kind"] for row in view(database, "lag")] == ["pause"]
    assert [(row["kind"], row["execution_key"]) for row in view(database, "ledger")] == [
        ("event", None)
    ]
    [incident] = view(database, "incidents")
    assert (incident["execution_id"], incident["cause"]) == (broken, "step_budget")
    assert incident["organization_id"] == rows.organization


def test_the_service_may_change_its_columns_though_we_look_at_them(database: Database):
    for column in ("execution_id", "error_message", "paused_reason"):
        database.run(f"ALTER TABLE workflow_executions ALTER COLUMN {column} TYPE text")
    assert view(database, "inbox") == []


def test_nobody_may_call_a_function_of_ours_unless_it_was_granted(
    database: Database, writer: Writer
):
    open_to_all = database.run(
        "SELECT p.oid::regprocedure::text FROM pg_proc p"
        " WHERE p.pronamespace = 'resumer'::regnamespace"
        " AND has_function_privilege(%s, p.oid, 'EXECUTE')",
        writer.role,
    )
    assert open_to_all == []


BY_TEXT = {
    "status": "SELECT resumer.status({}) ->> 'id'",
    "explain": "SELECT resumer.explain({}) ->> 'id'",
    "pause": "SELECT resumer.pause({}, reason => 'stock count', actor => 'mia')",
    "resume": "SELECT resumer.resume({}, actor => 'mia', reason => 'done')",
    "retry": "SELECT resumer.retry({}, reason => 'again', actor => 'mia')",
    "cancel": "SELECT resumer.cancel({}, reason => 'no', actor => 'mia')",
    "adopt": "SELECT resumer.adopt({})",
}
REASONS = {"pause": "waiting_for_time", "retry": "incident", "resume": "manual"}
FORMS = ("'{key}'", "'{id}'", "'{id}'::uuid", "'{key}'::text", "'{key}'::varchar")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("function", BY_TEXT)
def test_a_function_takes_the_key_or_the_id_of_an_execution(
    database: Database, rows: Rows, function: str, named: bool
):
    execution = rows.execution("paused")
    a_pause(database, execution, REASONS.get(function, "approval_required"))
    database.run("DELETE FROM resumer.resume_requests")
    [(key,)] = database.run("SELECT execution_id FROM workflow_executions")
    for form in FORMS:
        argument = form.format(key=key, id=execution)
        given = f"execution_id => {argument}" if named else argument
        [(found,)] = database.run(BY_TEXT[function].format(given))
        assert function not in ("status", "explain") or found == str(execution)
    requests = 0 if function in ("status", "explain") else len(FORMS)
    assert [each for _, each, *_ in left(database)] == [execution] * requests


@pytest.mark.parametrize("function", BY_TEXT)
def test_an_unknown_key_is_refused_as_an_unknown_id(database: Database, function: str):
    for unknown in ("exec_0bc35ed00c344a69", str(uuid4()), "", "'; --", "\x1b[31m"):
        statement = BY_TEXT[function].format("%s::text")
        with refused("RZ404", "no execution"):
            database.run(statement, unknown)
    with refused("RZ404", "no execution"):
        database.run(BY_TEXT[function].format("NULL"))


def test_each_public_function_of_an_execution_has_a_text_form_with_the_same_arguments(
    database: Database,
):
    found = database.run(
        "SELECT f.proname::text, f.proargtypes[0]::regtype::text, f.proargnames, f.pronargdefaults,"
        " f.prosecdef, f.provolatile, array_remove(f.proargtypes[1:]::oid[], NULL)::regtype[]::text"
        " FROM pg_proc f WHERE f.pronamespace = 'resumer'::regnamespace"
        " AND f.proargnames[1] = 'execution_id' AND f.proname <> 'add_request'"
    )
    by_type = {kind: {(name, *map(str, rest)) for name, of, *rest in found if of == kind}
               for kind in ("uuid", "text")}  # fmt: skip
    assert by_type["uuid"] == by_type["text"]
    assert {name for name, *_ in by_type["text"]} == set(BY_TEXT)
