"""Documents and rows that cannot be read or written: each stops alone, its whole batch goes on."""

from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

LONG = '{"a": ' + "9" * 5_000 + "}"
DEEP = '{"a": ' + "[" * 3_000 + "]" * 3_000 + "}"
SMALL = '{"a": 1e-5000}'
OTHERS = 20


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def is_incident(service: Service, execution: UUID, cause: str) -> bool:
    if service.standing(execution) != ("paused", "incident"):
        return False
    return bool(service.pause(execution)["incident"]["cause"] == cause)


def paused_and_decided_while_away(service: Service, poison: Any) -> tuple[UUID, list[UUID]]:
    """Pause a batch, poison the first of it while no daemon runs, and approve all of it."""
    service.workflow(ask(), allow())
    with running(service.database):
        first, *others = [service.start() for _ in range(1 + OTHERS)]
        for execution in (first, *others):
            service.until(execution, "paused")
    poison(first)
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    return first, others


@pytest.mark.parametrize("text", [LONG, DEEP, SMALL])
def test_a_payload_that_cannot_be_read_is_an_incident_of_its_own(service: Service, text: str):
    service.workflow(ask(), allow())
    first, *others = [service.start() for _ in range(1 + OTHERS)]
    service.database.run(
        "UPDATE workflow_executions SET trigger_payload = %s::jsonb WHERE id = %s", text, first
    )
    with running(service.database) as daemon:
        for execution in others:
            service.until(execution, "paused")
        eventually_sync(lambda: is_incident(service, first, "row_unreadable"))
        assert daemon.metric("resumer_oldest_open_request_age_seconds") == 0
    assert service.requests(first) == [("start", None, "held")]
    assert service.steps(first) == []


def stops_alone(service: Service, poisoning: LiteralString, document: str) -> UUID:
    """Poison one of a batch by a statement; check that it stops and that all others end."""

    def poison(execution: UUID) -> None:
        service.database.run(poisoning, document, execution)

    first, others = paused_and_decided_while_away(service, poison)
    with running(service.database):
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, "row_unreadable"))
    assert service.decisions(first) == [("approved", "held")]
    return first


@pytest.mark.parametrize("column", ["context", "resume_data"])
@pytest.mark.parametrize("text", [LONG, DEEP])
def test_a_document_that_cannot_be_read_is_an_incident_of_its_own(
    service: Service, column: LiteralString, text: str
):
    poisoning = f"UPDATE workflow_executions SET {column} = %s::jsonb WHERE id = %s"
    first = stops_alone(service, poisoning, text)
    assert service.database.run(
        "SELECT resume_count FROM workflow_executions WHERE id = %s", first
    ) == [(0,)]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("next_steps", "[]"),
        ("next_steps", '{"up": "x"}'),
        ("waiting", "[1]"),
        ("state", "[]"),
        ("state", "{}"),
    ],
)
def test_a_pause_record_that_is_damaged_is_an_incident_of_its_own(
    service: Service, column: LiteralString, text: str
):
    poisoning = f"UPDATE resumer.pauses SET {column} = %s::jsonb WHERE execution_id = %s"
    stops_alone(service, poisoning, text)


def unreadable(service: Service, execution: UUID) -> None:
    service.database.run(
        "UPDATE workflow_executions SET context = %s::jsonb WHERE id = %s", DEEP, execution
    )


def test_an_end_that_cannot_be_read_stays_an_end(service: Service):
    service.workflow(ask(), allow())
    with running(service.database):
        execution = service.paused()
        [request] = service.asked(execution)
        service.decide(request, "approved")
        service.ended(execution)
        unreadable(service, execution)
        service.decide(request, "rejected")
        eventually_sync(lambda: service.decisions(execution)[1:] == [("rejected", "late")])
    assert service.standing(execution) == ("completed", None)


def test_what_another_program_runs_is_let_run_though_it_cannot_be_read(service: Service):
    with running(service.database):
        execution = service.insert("workflow_executions", execution_id="e", status="running")
        unreadable(service, execution)
        service.approval(execution, "approved")
        eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    assert service.standing(execution) == ("running", None)


def test_what_cannot_be_read_can_be_cancelled(service: Service):
    service.workflow(ask(), allow())
    with running(service.database):
        execution = service.paused()
        unreadable(service, execution)
        service.database.run("SELECT resumer.cancel(%s)", execution)
        eventually_sync(lambda: service.standing(execution) == ("cancelled", None))


@pytest.mark.parametrize("document", ["[1, 2]", '"text"', "7", "null", "true", None])
@pytest.mark.parametrize("column", ["context", "resume_data", "trigger_payload"])
def test_a_document_that_is_no_object_counts_as_empty(
    service: Service, column: str, document: str | None
):
    service.workflow(ask(), allow())
    with running(service.database):
        execution = service.paused()
        service.database.run(
            f"UPDATE workflow_executions SET {column} = %s::jsonb",
            document,
        )
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"


def test_a_written_nul_stays_the_six_characters_that_it_is(service: Service):
    message = {"type": "log", "message": "{{note}}"}
    service.workflow(ask(), {**allow(), "execute": [message]})
    note = "a\\u0000b"
    with running(service.database):
        execution = service.paused(payload={"note": note})
        service.decide(service.asked(execution)[0], "approved", reason=note)
        row = service.ended(execution)
    assert row["context"]["note"] == note
    assert row["resume_data"]["approval"]["reason"] == note
    assert service.steps(execution) == ["ask", "release"]


def test_a_real_nul_is_refused_where_it_is_written(service: Service):
    service.workflow(ask(), allow())
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        service.database.run("SELECT resumer.start('flow', '{\"note\": \"\\u0000\"}')")
    assert service.database.run("SELECT id FROM workflow_executions") == []


def test_texts_longer_than_their_columns_fail_their_own_step_and_stop_nobody(service: Service):
    long = "x" * 10_000
    creates = {"type": "create_approval_request", "entity": long}
    odd = {
        "role": ask(role=long),
        "entity": ask(execute=[creates]),
        "type": {"id": "ask", "type": long},
    }
    for name, step in odd.items():
        service.workflow(step, allow(), name=name)
    service.workflow(ask("i" * 255), allow())
    others = [service.start() for _ in range(OTHERS)]
    refused = [service.start(name) for name in odd]
    with running(service.database) as daemon:
        for execution in others:
            service.until(execution, "paused")
        for execution in refused:
            assert service.ended(execution)["status"] == "failed"
            assert service.steps(execution) == ["ask!"]
        assert daemon.metric("resumer_executions_quarantined_total") == 0


def test_a_row_that_the_service_s_own_check_refuses_is_stopped_alone(service: Service):
    def poison(execution: UUID) -> None:
        service.database.run(
            "ALTER TABLE step_executions ADD CONSTRAINT mine"
            f" CHECK (step_id <> 'release' OR execution_id <> '{execution}')"
        )

    first, others = paused_and_decided_while_away(service, poison)
    with running(service.database) as daemon:
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, "row_unreadable"))
        assert daemon.metric("resumer_executions_quarantined_total") == 1
    assert service.steps(first) == ["ask"]


def test_a_row_that_is_refused_at_the_commit_is_stopped_alone(service: Service):
    def poison(execution: UUID) -> None:
        service.database.run(
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE check_violation USING MESSAGE = 'not this one'; END $$"
        )
        service.database.run(
            "CREATE CONSTRAINT TRIGGER mine AFTER UPDATE ON workflow_executions"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            f" WHEN (new.id = '{execution}' AND new.status = 'completed') EXECUTE FUNCTION mine()"
        )

    first, others = paused_and_decided_while_away(service, poison)
    with running(service.database) as daemon:
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        eventually_sync(lambda: is_incident(service, first, "row_unreadable"))
        assert daemon.metric("resumer_executions_quarantined_total") == 1
    assert service.steps(first) == ["ask"]


def test_many_rows_that_are_refused_are_stopped_and_all_others_go_on(service: Service):
    service.workflow(ask(), allow())
    with running(service.database):
        executions = [service.start() for _ in range(60)]
        for execution in executions:
            service.until(execution, "paused")
    refused, others = executions[::10], [e for i, e in enumerate(executions) if i % 10]
    listed = ", ".join(f"'{execution}'" for execution in refused)
    service.database.run(
        "ALTER TABLE step_executions ADD CONSTRAINT mine"
        f" CHECK (step_id <> 'release' OR execution_id NOT IN ({listed}))"
    )
    service.database.run("UPDATE approval_requests SET status = 'approved'")
    with running(service.database) as daemon:
        for execution in refused:
            eventually_sync(partial(is_incident, service, execution, "row_unreadable"))
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        assert daemon.metric("resumer_executions_quarantined_total") == len(refused)
    for execution in refused:
        assert service.steps(execution) == ["ask"]


@pytest.mark.parametrize("code", ["raise_exception", "no_data_found", "45000"])
def test_a_row_that_a_trigger_of_the_service_refuses_holds_up_nobody_else(
    service: Service, code: str
):
    def poison(execution: UUID) -> None:
        service.database.run(
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'this one is mine' USING ERRCODE = '{code}'; END $$"
        )
        service.database.run(
            "CREATE TRIGGER mine BEFORE UPDATE ON workflow_executions FOR EACH ROW"
            f" WHEN (old.id = '{execution}') EXECUTE FUNCTION mine()"
        )

    first, others = paused_and_decided_while_away(service, poison)
    with running(service.database):
        assert {service.ended(execution)["result"] for execution in others} == {"allowed"}
        assert service.look(first)["status"] == "paused"
        service.database.run("DROP TRIGGER mine ON workflow_executions")
