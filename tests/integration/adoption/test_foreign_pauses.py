"""Pauses that another program wrote: they get a record from what it left, and never by guessing."""

from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually_sync
from tests.harness.running import Running, processor, running
from tests.harness.service import Service, allow, ask, block

STEPS = (ask(on_false="refuse"), allow(), block())


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


def foreign(service: Service, workflow: UUID | None, **values: object) -> UUID:
    """Write an execution that is paused, as another program would."""
    return service.insert(
        "workflow_executions",
        workflow_id=workflow,
        execution_id=f"exec_{uuid4().hex}",
        context=Jsonb({}),
        **{"status": "paused", **values},
    )


def adopted(service: Service, execution: UUID) -> dict[str, object]:
    return eventually_sync(lambda: service.pause(execution))


def test_a_pointer_tells_where_it_stands(service: Service, daemon: Running):
    workflow = service.workflow(*STEPS)
    execution = foreign(service, workflow, paused_step_id="ask", next_step_id="release")
    request = service.approval(execution, "pending")
    pause = adopted(service, execution)
    assert (pause["reason"], pause["step_id"]) == ("approval_required", "ask")
    service.decide(request, "approved")
    row = service.ended(execution)
    assert (row["result"], row["resume_count"]) == ("allowed", 1)
    assert row["resume_data"]["approval"]["request_id"] == request
    assert service.steps(execution) == ["release"]


OTHER = {"id": "other", "type": "action", "action": "block"}


@pytest.mark.parametrize(
    ("pointer", "named"), [(True, "other"), (False, "other"), (True, "ghost"), (False, "ghost")]
)
def test_the_way_on_that_another_program_wrote_is_gone_on(  # C25
    service: Service, daemon: Running, database: Database, pointer: bool, named: str
):
    workflow = service.workflow(
        {"id": "first", "type": "action", "action": "log"}, ask(), allow(), OTHER
    )
    execution = foreign(service, workflow, status="running")
    for moment, step in enumerate(["first", "ask"]):
        service.insert(
            "step_executions", execution_id=execution, step_id=step, status="completed",
            step_type="action", started_at=f"2026-01-31 09:3{moment}",
        )  # fmt: skip
    database.run(
        "UPDATE workflow_executions SET status = 'paused', paused_reason = 'x', next_step_id = %s,"
        " paused_step_id = %s",
        named,
        "ask" if pointer else None,
    )
    adopted(service, execution)
    assert service.look(execution)["next_step_id"] == named
    database.run("UPDATE workflow_executions SET resume_data = '{\"approved\": true}'")
    row = service.ended(execution)
    if named == "other":
        assert (row["result"], "other" in service.steps(execution)) == ("blocked", True)
    else:
        assert (row["status"], row["error_message"]) == ("failed", "step not found: ghost")


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_the_step_that_was_run_last_tells_where_there_is_no_pointer(
    service: Service, daemon: Running
):
    execution = foreign(service, service.workflow(*STEPS))
    service.insert(
        "step_executions", execution_id=execution, step_id="ask", status="completed",
        started_at="2026-01-31 09:30", completed_at="2026-01-31 09:30",
    )  # fmt: skip
    service.approval(execution, "rejected")
    assert service.ended(execution)["result"] == "blocked"
    assert service.steps(execution) == ["ask", "refuse"]
    assert service.decisions(execution) == [("rejected", "applied")]


def test_it_goes_on_with_the_definition_as_it_was_when_it_was_adopted(
    service: Service, database: Database
):
    workflow = service.workflow(*STEPS)
    execution = foreign(service, workflow, paused_step_id="ask")
    with running(database):
        adopted(service, execution)
    database.run("UPDATE workflows SET definition = '{\"steps\": []}'")
    with running(database):
        service.approval(execution, "approved")
        assert service.ended(execution)["result"] == "allowed"
    assert service.steps(execution) == ["release"]


def test_all_that_its_step_asks_for_are_needed_although_they_come_one_by_one(
    service: Service, daemon: Running
):
    create = {"type": "create_approval_request", "entity": "order"}
    workflow = service.workflow(ask(execute=[create, create]), allow())
    execution = foreign(service, workflow, paused_step_id="ask")
    service.approval(execution, "approved", approver_id=uuid4())
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    service.approval(execution, "approved", approver_id=uuid4())
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_one_more_that_is_asked_later_is_not_needed(service: Service, daemon: Running):
    execution = foreign(service, service.workflow(*STEPS), paused_step_id="ask")
    first = service.approval(execution, "pending")
    adopted(service, execution)
    service.approval(execution, "pending")
    service.decide(first, "approved")
    assert service.ended(execution)["result"] == "allowed"


@pytest.mark.parametrize("vintage", ["v5"])
@pytest.mark.parametrize(
    ("timeout_at", "left"),
    [("2026-01-31 09:30:29", 29), ("2026-01-31 09:00", None), ("infinity", None), (None, None)],
)
def test_it_keeps_what_is_left_of_its_time(
    service: Service, daemon: Running, timeout_at: str | None, left: int | None
):
    execution = foreign(
        service, service.workflow(*STEPS), paused_reason="approval_required",
        paused_at="2026-01-31 09:30", timeout_at=timeout_at,
    )  # fmt: skip
    adopted(service, execution)
    kept = service.database.run("SELECT (state ->> 'time_left')::float FROM resumer.pauses")
    assert kept == [(left,)]
    service.approval(execution, "approved")
    eventually_sync(lambda: service.standing(execution)[0] == "completed")


@pytest.mark.parametrize(("word", "result"), [(True, "allowed"), (False, "blocked")])
def test_its_word_in_resume_data_is_a_decision(
    service: Service, database: Database, daemon: Running, word: bool, result: str
):
    workflow = service.workflow(*STEPS)
    said = Jsonb({"approved": word, "note": "by phone"})
    before = foreign(service, workflow, paused_step_id="ask", resume_data=said)
    after = foreign(service, workflow, paused_step_id="ask")
    adopted(service, after)
    database.run("UPDATE workflow_executions SET resume_data = %s WHERE id = %s", said, after)
    for execution in (before, after):
        row = service.ended(execution)
        assert row["result"] == result
        assert row["resume_data"]["note"] == "by phone"
        assert row["resume_data"]["resume"]["data"] == {"approved": word}
        assert ("adopt", "external_decision", "applied") in service.requests(execution)


def test_a_word_that_an_earlier_pause_left_there_decides_nothing(
    service: Service, database: Database, daemon: Running
):
    workflow = service.workflow(*STEPS)
    left = Jsonb({"approved": True})
    execution = foreign(service, workflow, paused_step_id="ask", status="running", resume_data=left)
    database.run("UPDATE workflow_executions SET status = 'paused'")
    adopted(service, execution)
    eventually_sync(lambda: ("adopt", None, "superseded") in service.requests(execution))
    assert service.standing(execution)[0] == "paused"
    service.approval(execution, "rejected")
    assert service.ended(execution)["result"] == "blocked"


def test_any_other_word_there_decides_nothing(
    service: Service, database: Database, daemon: Running
):
    execution = foreign(service, service.workflow(*STEPS), paused_step_id="ask")
    adopted(service, execution)
    database.run("""UPDATE workflow_executions SET resume_data = '{"approved": "true"}'""")
    eventually_sync(lambda: daemon.metric("resumer_unrecognised_decisions_total") == 1)
    assert service.standing(execution) == ("paused", None)
    database.run("""UPDATE workflow_executions SET resume_data = '{"approved": true}'""")
    assert service.ended(execution)["result"] == "allowed"


def test_in_a_pause_of_ours_only_approvals_decide(
    service: Service, database: Database, daemon: Running
):
    service.workflow(*STEPS)
    execution = service.paused()
    database.run("""UPDATE workflow_executions SET resume_data = '{"approved": true}'""")
    eventually_sync(
        lambda: service.requests(execution)[-1] == ("adopt", "external_decision", "superseded")
    )
    assert service.standing(execution) == ("paused", "approval_required")


@pytest.mark.parametrize("pointer", [None, "nowhere", "release"])
def test_a_pause_that_nothing_explains_is_an_incident(
    service: Service, daemon: Running, pointer: str | None
):
    execution = foreign(service, service.workflow(*STEPS), paused_step_id=pointer)
    service.approval(execution, "approved")
    assert adopted(service, execution)["reason"] == "incident"
    assert service.pause(execution)["incident"]["cause"] == "pause_without_pointer"
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])


def test_a_pause_of_an_unknown_or_unreadable_workflow_is_an_incident(
    service: Service, daemon: Running
):
    unreadable = service.workflow(definition=["no", "definition"])
    executions = [foreign(service, None), foreign(service, unreadable, paused_step_id="ask")]
    for execution in executions:
        assert adopted(service, execution)["reason"] == "incident"
        assert service.pause(execution)["incident"]["cause"] == "definition_unreadable"
        assert service.standing(execution) == ("paused", "incident")


async def test_what_was_held_while_it_ran_is_looked_at_whoever_adopts_it(
    service: Service, database: Database
):
    """A claim may find only requests that another daemon has just parked; it must not be the last.

    A claim's snapshot can be older than its lock: a request that it saw open may be held by then.
    """
    batches = processor(database.url)
    execution = foreign(service, service.workflow(*STEPS), paused_step_id="ask")
    service.approval(execution, "approved")
    database.run("UPDATE resumer.resume_requests SET outcome = 'held'")
    session = await Store(database.url).session()
    async with session.connection:
        await batches.process_given(
            session, [execution]
        )  # as the claim that came a moment too late
        assert service.pause(execution)["reason"] == "approval_required"
        await batches.process_due(session)
    assert service.look(execution)["result"] == "allowed"


def test_what_is_written_while_the_triggers_are_off_is_found(
    service: Service, daemon: Running, database: Database
):
    database.run("ALTER TABLE workflow_executions DISABLE TRIGGER USER")
    execution = foreign(service, service.workflow(*STEPS), paused_step_id="ask")
    adopted(service, execution)
    database.run("UPDATE workflow_executions SET status = 'cancelled'")
    eventually_sync(lambda: service.pause(execution)["resumed_by"] == "cancelled")
    eventually_sync(lambda: daemon.metric("resumer_triggers_missing") == 3)


def test_a_pause_that_began_and_one_that_ended_while_nobody_looked_are_both_found(
    service: Service, database: Database
):
    """As many are paused as before, but not the same."""
    workflow = service.workflow(*STEPS)
    with running(database):
        ended = service.paused()
    with database.connect() as silently, silently.transaction():
        silently.execute("SET LOCAL session_replication_role = replica")
        silently.execute("UPDATE workflow_executions SET status = 'cancelled'")
    database.run("ALTER TABLE workflow_executions DISABLE TRIGGER USER")
    began = foreign(service, workflow, paused_step_id="ask")
    database.run("ALTER TABLE workflow_executions ENABLE TRIGGER USER")
    with running(database):
        adopted(service, began)
        eventually_sync(lambda: service.pause(ended)["resumed_by"] == "cancelled")
