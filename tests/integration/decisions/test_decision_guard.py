"""The decision guard: off, held by the daemon, or refused by the database."""

from itertools import product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.acceptance.test_commands import run
from tests.harness import Database, eventually_sync
from tests.harness.inbox import Writer
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask, block

ANNA, BERT = UUID(int=1), UUID(int=2)

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])
VIOLATIONS = ["missing_approver", "self_approval", "after_expiry"]

each_violation = pytest.mark.parametrize(
    ("vintage", "violation"),
    [*product(("v1", "v5"), VIOLATIONS), ("v5", "wrong_organization")],
)


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(on_false="refuse"), allow(), block())
    if database.vintage == "v5":
        database.run(
            "INSERT INTO organizations (name, slug) SELECT 'other', 'other'"
            " WHERE NOT EXISTS (SELECT FROM organizations WHERE slug = 'other')"
        )
    return made


@pytest.fixture
def auditing(database: Database):
    with running(database, decision_guard="audit", reconcile_interval="1h") as made:
        yield made


def asked(service: Service, violation: str = "") -> tuple[UUID, str]:
    """Start an execution, and prepare its approval so that approving it is wrong in this way."""
    execution = service.paused()
    [request] = service.asked(execution)
    service.database.run("UPDATE approval_requests SET requester_id = %s", ANNA)
    match violation:
        case "after_expiry":
            service.database.run(
                "UPDATE approval_requests SET expires_at = now() AT TIME ZONE 'UTC' - interval '1s'"
            )
        case "wrong_organization":
            service.database.run(
                "UPDATE approval_requests SET organization_id ="
                " (SELECT id FROM organizations WHERE slug = 'other')"
            )
    return execution, request


def approver(violation: str) -> UUID | None:
    return {"missing_approver": None, "self_approval": ANNA}.get(violation, BERT)


@pytest.mark.parametrize("violation", VIOLATIONS[:2])
def test_at_first_nobody_asks_who_it_was(service: Service, database: Database, violation: str):
    with running(database):
        execution, request = asked(service, violation)
        service.decide(request, "approved", approver(violation))
        assert service.ended(execution)["result"] == "allowed"


@each_violation
def test_audit_holds_it_with_a_reason(service: Service, auditing: Running, violation: str):
    execution, request = asked(service, violation)
    service.decide(request, "approved", approver(violation))
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    [(reason,)] = service.database.run(
        "SELECT reason FROM resumer.requests WHERE kind = 'approval'"
    )
    assert reason == violation
    assert service.standing(execution) == ("paused", "approval_required")
    held = eventually_sync(
        lambda: auditing.metric("resumer_decision_guard_holds_total", reason=violation)
    )
    assert held == 1


@both_vintages
def test_audit_lets_others_approve_and_anybody_refuse(service: Service, auditing: Running):
    execution, request = asked(service)
    service.decide(request, "approved", BERT)
    assert service.ended(execution)["result"] == "allowed"
    execution, request = asked(service)
    service.decide(request, "rejected", ANNA)
    assert service.ended(execution)["result"] == "blocked"


def test_what_is_held_counts_when_the_right_one_approves(service: Service, auditing: Running):
    execution, request = asked(service)
    service.decide(request, "approved", ANNA)
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    service.decide(request, "pending", BERT)
    service.decide(request, "approved", BERT)
    assert service.ended(execution)["result"] == "allowed"
    assert sorted(service.decisions(execution)) == [
        ("approved", "applied"),
        ("approved", "superseded"),
    ]


def test_what_is_held_counts_when_its_approver_is_written_later(
    service: Service, auditing: Running
):
    execution, request = asked(service)
    service.decide(request, "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    service.database.run("UPDATE approval_requests SET approver_id = %s", BERT)
    assert service.ended(execution)["result"] == "allowed"


ENFORCE: dict[str, Any] = {"decision_guard": "enforce"}


@each_violation
def test_enforce_refuses_the_write_itself(
    service: Service, database: Database, writer: Writer, violation: str
):
    assert "refuses approvals" in run(database.url, "migrate", "up", **ENFORCE)
    with running(database, **ENFORCE):
        execution, request = asked(service, violation)
        with pytest.raises(psycopg.Error, match="cannot be approved") as refused:
            writer.run(
                "UPDATE approval_requests SET status = 'approved', approver_id = %s"
                " WHERE request_id = %s",
                approver(violation), request,
            )  # fmt: skip
        assert refused.value.sqlstate == "RZ403"
        assert service.standing(execution)[0] == "paused"
        if violation == "self_approval":
            service.decide(request, "approved", BERT)
            assert service.ended(execution)["result"] == "allowed"
            database.run("UPDATE approval_requests SET decision_reason = 'as it was'")


def test_enforce_refuses_an_approval_that_is_born_approved(service: Service, database: Database):
    run(database.url, "migrate", "up", **ENFORCE)
    with pytest.raises(psycopg.Error, match="missing approver"):
        service.approval(None, "approved")
    service.approval(None, "approved", approver_id=uuid4())


def test_the_trigger_is_off_unless_it_is_asked_for(service: Service, database: Database):
    assert "guard" not in run(database.url, "migrate", "up")
    service.approval(None, "approved")
    run(database.url, "migrate", "up", **ENFORCE)
    assert "no longer refuses approvals" in run(database.url, "migrate", "up")
    service.approval(None, "approved")


def test_a_daemon_that_shall_enforce_and_cannot_holds_and_says_so(
    service: Service, database: Database
):
    with capture_logs() as said, running(database, **ENFORCE):
        execution, request = asked(service)
        service.decide(request, "approved", ANNA)
        eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
        eventually_sync(lambda: "guard_not_enforced" in [line["event"] for line in said])
