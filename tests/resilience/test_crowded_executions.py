"""Thousands of approvals and requests of one execution: linear work, and a bound on it."""

from typing import LiteralString
from uuid import UUID

import pytest

from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually_sync, every_vintage
from tests.harness import plans as harness
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

MANY = 15_000
DECIDED: LiteralString = (
    "INSERT INTO approval_requests (request_id, execution_id, status, approver_id, decided_at)"
    " SELECT 'many_' || n, %s, 'approved', gen_random_uuid(), now() FROM generate_series(1, %s) n"
)


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


# C31
@pytest.mark.parametrize("guard", ["off", "audit"])
def test_an_execution_with_thousands_of_decided_approvals_moves_and_holds_up_nobody(
    service: Service, guard: str
):
    database = service.database
    with running(database, decision_guard=guard) as daemon:
        first, other = service.paused(), service.paused()
        database.run(DECIDED, first, MANY)
        database.run(
            "UPDATE approval_requests SET status = 'approved', approver_id = id"
            " WHERE status = 'pending'"
        )
        assert service.ended(other)["result"] == "allowed"
        assert service.ended(first)["result"] == "allowed"
        assert daemon.metric("resumer_batches_failed_total") == 0


# C31
def test_thousands_of_decisions_without_a_request_are_applied_once_each(service: Service):
    database = service.database
    with running(database, reconcile_interval="1h"):
        execution = service.paused()
        with database.connect() as other:
            other.execute("SET session_replication_role = replica")
            other.execute(DECIDED, [execution, MANY])
        [request] = service.asked(execution)
        service.decide(request, "approved")
        assert service.ended(execution)["result"] == "allowed"
    assert database.run(
        "SELECT count(*), count(DISTINCT source_id) FROM resumer.requests"
        " WHERE kind = 'approval' AND outcome = 'applied'"
    ) == [(MANY + 1, MANY + 1)]


# C31
def test_an_execution_with_more_approvals_than_a_turn_may_have_is_an_incident_until_cancelled(
    service: Service,
):
    database = service.database
    with running(database) as daemon:
        first, other = service.paused(), service.paused()
        database.run(DECIDED, first, 20_001)
        database.run(
            "UPDATE approval_requests SET status = 'approved' WHERE execution_id = %s", other
        )
        assert service.ended(other)["result"] == "allowed"
        eventually_sync(lambda: service.standing(first) == ("paused", "incident"))
        assert service.pause(first)["incident"]["cause"] == "too_many_requests"
        database.run("SELECT resumer.cancel(%s)", first)
        eventually_sync(lambda: service.standing(first)[0] == "cancelled")
        database.run("DELETE FROM approval_requests WHERE request_id LIKE 'many_%'")
        eventually_sync(daemon.ready)
    [(left,)] = database.run(
        "SELECT count(*) FROM resumer.requests"
        " WHERE execution_id = %s AND decision = 'approved'"
        " AND outcome IS DISTINCT FROM 'too_late'",
        first,
    )
    assert left == 0


# C31
@every_vintage
async def test_statements_of_a_turn_look_a_bounded_number_of_times_at_what_an_execution_has(
    database: Database,
):
    service = Service(database)
    service.workflow(ask(), allow())
    execution = service.start()
    owner = "" if database.vintage != "v5" else ", organization_id"
    database.run(
        f"INSERT INTO approval_requests (request_id, execution_id, status{owner})"
        f" SELECT 'many_' || n, e.id, 'approved'{owner.replace('o', 'e.o', 1)}"
        " FROM workflow_executions e, generate_series(1, %s) AS n",
        MANY,
    )
    database.run("UPDATE resumer.control SET decision_guard = 'audit'")
    ids = [each for (each,) in database.run("SELECT id FROM approval_requests")]
    session = await Store(database.url).session()
    async with session.connection:
        for name, parameters in of_a_turn(execution, ids).items():
            harness.prepare(session, name)
            for look in harness.looks(session, name, parameters):
                assert look.node != "Seq Scan" or look.table not in CROWDED, (name, look)
                assert look.rows <= 4 * MANY, (name, look)


CROWDED = {"approval_requests", "resume_requests", "workflow_executions", "pauses"}


def of_a_turn(execution: UUID, approvals: list[UUID]) -> dict[str, harness.Parameters]:
    claimed = {"claimed": array([execution]), "timezone": "UTC"}
    return {
        "claim.claim_due": {"limit": 200, "newest": 50, "back": 3e9, "without": "{}"},
        "claim.read_executions": claimed,
        "claim.read_requests": claimed,
        "claim.read_approvals": claimed,
        "record.settle_unrequested_decisions": {
            "execution_ids": array([execution] * len(approvals)),
            "sources": array(approvals),
            "decisions": array(["approved"] * len(approvals)),
            "actors": array([None] * len(approvals)),
            "outcomes": array(["applied"] * len(approvals)),
        },
        "quarantine.stop_unread": {
            "incident": '{"cause": "turn_timeout"}',
            "running": False,
            **claimed,
        },
    }
