"""The life of a pause: its waits, its end, and the requests that arrive meanwhile."""

from typing import Any
from uuid import uuid4

import pytest

from resumer_daemon.store.session import Session
from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask, block

LOOK = "INSERT INTO resumer.resume_requests (execution_id, kind) VALUES (%s, 'adopt')"
CREATE = {"type": "create_approval_request", "entity": "order"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def daemon(database: Database):
    with running(database) as made:
        yield made


def test_one_of_two_approvals_is_held_and_the_second_resumes(service: Service, daemon: Running):
    service.workflow(ask(execute=[CREATE, CREATE]), allow())
    execution = service.paused()
    first, second = service.asked(execution)
    service.decide(first, "approved", uuid4())
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    assert service.look(execution)["status"] == "paused"
    service.decide(second, "approved", uuid4())
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_one_rejection_of_two_refuses_at_once(service: Service, daemon: Running):
    service.workflow(ask(execute=[CREATE, CREATE], on_false="refuse"), allow(), block())
    execution = service.paused()
    first, second = service.asked(execution)
    service.decide(first, "approved", uuid4())
    service.decide(second, "rejected", uuid4())
    assert service.ended(execution)["result"] == "blocked"
    assert service.steps(execution) == ["ask", "refuse"]
    assert service.decisions(execution) == [("approved", "superseded"), ("rejected", "applied")]


def test_one_approval_of_each_role_is_needed(service: Service, daemon: Running):
    service.workflow(ask(roles=["finance", "legal"]), allow())
    execution = service.paused()
    roles = service.database.run(
        "SELECT approver_role, request_id FROM approval_requests ORDER BY approver_role"
    )
    assert [role for role, _ in roles] == ["finance", "legal"]
    service.approval(execution, "approved", approver_role="finance", approver_id=uuid4())
    service.decide(roles[0][1], "approved", uuid4())
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")] * 2)
    assert service.look(execution)["status"] == "paused"
    service.decide(roles[1][1], "approved", uuid4())
    assert service.ended(execution)["result"] == "allowed"


def test_the_same_approver_counts_once(service: Service, daemon: Running):
    service.workflow(ask(approvals=2), allow())
    execution = service.paused()
    somebody = uuid4()
    for request in service.asked(execution):
        service.decide(request, "approved", somebody)
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")] * 2)
    assert service.look(execution)["status"] == "paused"
    service.approval(execution, "approved", approver_id=uuid4())
    assert service.ended(execution)["result"] == "allowed"
    became = sorted(outcome for _, outcome in service.decisions(execution) if outcome)
    assert became == ["applied", "applied", "superseded"]


def test_a_decision_that_was_inserted_as_such_counts(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    service.approval(execution, "rejected", decision_reason="too dear")
    row = service.ended(execution)
    assert (row["result"], row["status"]) == ("blocked", "completed")
    assert row["resume_data"]["approval"]["reason"] == "too dear"


@every_vintage
def test_two_approvals_in_a_row_pause_twice(service: Service, daemon: Running):
    service.workflow(ask("first", on_true="second"), ask("second"), allow())
    execution = service.paused()
    [first] = service.asked(execution)
    service.decide(first, "approved")
    [second] = eventually_sync(lambda: service.asked(execution))
    row = service.look(execution)
    assert (row["status"], row["resume_count"]) == ("paused", 1)
    assert "approved" not in row["resume_data"]
    assert row["resume_data"]["approval"]["request_id"] == first
    service.decide(second, "approved")
    row = service.ended(execution)
    assert (row["result"], row["resume_count"]) == ("allowed", 2)
    assert row["resume_data"]["approved"] is True
    assert [a["request_id"] for a in row["resume_data"]["approvals"]] == [first, second]
    assert service.steps(execution) == ["first", "second", "release"]
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_a_decision_of_an_earlier_pause_is_none_of_the_next(service: Service, daemon: Running):
    service.workflow(ask("first", on_true="second"), ask("second"), allow())
    execution = service.paused()
    [first] = service.asked(execution)
    service.decide(first, "approved")
    eventually_sync(lambda: service.pause(execution)["number"] == 2)
    service.decide(first, "rejected")
    eventually_sync(lambda: ("rejected", "late") in service.decisions(execution))
    assert service.look(execution)["status"] == "paused"
    assert daemon.metric("resumer_late_decisions_total") == 1


def test_a_rejection_without_a_way_blocks(service: Service, daemon: Running):
    service.workflow(ask(on_false=None), allow())
    execution = service.paused()
    service.decide(service.asked(execution)[0], "rejected", reason="not today")
    row = service.ended(execution)
    assert (row["status"], row["result"], row["resume_count"]) == ("completed", "blocked", 1)
    assert row["resume_data"]["approval"]["decision"] == "rejected"
    assert row["resume_data"]["approved"] is False
    assert service.steps(execution) == ["ask"]


@every_vintage
def test_the_service_s_columns_tell_the_pause_and_its_end(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    row = service.look(execution)
    context = row["context"]
    assert context
    assert (row["paused_reason"], row["resume_count"]) == ("approval_required", 0)
    assert row["paused_at"] is not None
    assert (row["result"], row["completed_at"], row["duration_ms"]) == (None, None, None)
    pointers = (row["paused_step_id"], row["next_step_id"])
    if service.database.vintage == "v5":  # UUID columns there: the record alone has them
        assert pointers == (None, None)
        assert row["current_step_id"] == "ask"
    else:
        assert pointers == ("ask", "release")
    assert service.pause(execution)["step_id"] == "ask"
    service.decide(service.asked(execution)[0], "approved")
    row = service.ended(execution)
    assert (row["context"], row["resume_count"]) == (context, 1)
    assert row["last_resumed_at"] is not None
    assert row["completed_at"] is not None
    assert row["duration_ms"] >= 0
    cleared = ("paused_at", "paused_reason", "paused_step_id", "next_step_id")
    assert [row[name] for name in cleared] == [None] * 4
    assert service.pause(execution)["resumed_at"] is not None


@pytest.mark.parametrize("vintage", ["v5"])
def test_what_is_written_belongs_to_the_execution_s_organisation(service: Service, daemon: Running):
    [(other,)] = service.database.run(
        "INSERT INTO organizations (name, slug) VALUES ('other', 'other') RETURNING id"
    )
    service.workflow(ask(), allow(), organization=other)
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    owners = service.database.run(
        "SELECT organization_id FROM workflow_executions"
        " UNION SELECT organization_id FROM approval_requests"
        " UNION SELECT organization_id FROM step_executions"
    )
    assert owners == [(other,)]


def test_a_decision_for_an_execution_locked_elsewhere_is_applied_when_it_is_free(
    service: Service, database: Database
):
    service.workflow(ask(), allow())
    with running(database, poll_interval="1h", reconcile_interval="1h") as daemon:
        locked, free = service.paused(), service.paused()
        with database.connect() as holder, holder.transaction():
            holder.execute("SELECT FROM workflow_executions WHERE id = %s FOR UPDATE", [locked])
            service.decide(service.asked(locked)[0], "approved")
            service.decide(service.asked(free)[0], "approved")
            service.ended(free)
            assert service.decisions(locked) == [("approved", None)]
            assert daemon.metric("resumer_requests_open", kind="approval") == 1
        assert service.ended(locked)["result"] == "allowed"


def test_a_decision_and_its_opposite_in_one_transaction_count_as_they_stand_at_the_commit(
    service: Service, daemon: Running
):
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    with service.database.connect() as writer, writer.transaction():
        for status in ("approved", "rejected"):
            writer.execute(
                "UPDATE approval_requests SET status = %s WHERE request_id = %s", [status, request]
            )
    assert service.ended(execution)["result"] == "blocked"
    assert service.decisions(execution) == [("approved", "superseded"), ("rejected", "applied")]


def test_a_rolled_back_decision_leaves_nothing(service: Service, daemon: Running):
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    with service.database.connect() as writer, writer.transaction(force_rollback=True):
        writer.execute(
            "UPDATE approval_requests SET status = 'rejected' WHERE request_id = %s", [request]
        )
    service.decide(request, "approved")
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")]


def test_a_decision_that_comes_between_two_reads_of_a_turn_is_one_applied_row(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
):
    """Its approval is seen and its request is not: it is there when the turn is written."""
    runs = Session.run
    decides: list[str] = []

    async def between(session: Session, statement: str, *rest: Any) -> Any:
        if statement == "claim.read_approvals" and decides:
            backend = session.connection.info.backend_pid
            waits = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
            eventually_sync(lambda: database.run(waits, backend) == [("ClientRead",)])
            if database.run("SELECT FROM workflow_executions FOR UPDATE SKIP LOCKED") == []:
                service.decide(decides.pop(), "approved")
        return await runs(session, statement, *rest)

    service.workflow(ask(), allow())
    with running(database):
        execution = service.paused()
        decides += service.asked(execution)
        monkeypatch.setattr(Session, "run", between)
        with database.connect() as other, other.transaction():
            other.execute(LOOK, [execution])
            other.execute("NOTIFY resumer_wake")
        service.ended(execution)
        assert service.decisions(execution) == [("approved", "applied")]
