"""Documents as large as the settings allow, and larger: one of them delays nobody else."""

import json
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from resumer_daemon.store import session as store
from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

MEGABYTE = 1_000_000


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def start_with(service: Service, size: int) -> None:
    """Start an execution whose payload has so many bytes; the server makes the text."""
    service.database.run(
        "SELECT resumer.start('flow', jsonb_build_object('doc', repeat('x', %s)))", size
    )


def statuses(service: Service) -> set[str]:
    return {status for (status,) in service.database.run("SELECT status FROM workflow_executions")}


# C14
async def test_a_statement_larger_than_the_buffers_of_a_unix_socket_is_sent_and_committed(
    own_database: Database,
):
    Service(own_database).workflow(ask(), allow())
    payload = json.dumps({"doc": "x" * 7 * MEGABYTE})
    session = await store.Database(own_database.url).session()
    async with session.connection, session.transaction():
        facts = {"workflow": "flow", "version": None, "organization": None}
        await session.run("commands.start", {**facts, "payload": payload})
    assert len(own_database.run("SELECT id FROM workflow_executions")) == 1


# C14
def test_a_large_payload_pauses_and_a_small_one_beside_it(service: Service, tmp_path: Path):
    start_with(service, 7 * MEGABYTE)
    with process(service.database, tmp_path / "log") as daemon:
        small = service.start()
        service.until(small, "paused")
        eventually_sync(lambda: statuses(service) == {"paused"})
        assert daemon.metric("resumer_database_errors_total") == 0


def is_incident(service: Service, execution: UUID, cause: str) -> bool:
    incident = service.pause(execution).get("incident") or {}
    return service.standing(execution) == ("paused", "incident") and incident["cause"] == cause


# C30
def test_more_documents_than_a_turn_may_read_are_read_in_several_turns(service: Service):
    service.database.run(
        "SELECT resumer.start('flow', jsonb_build_object('doc', repeat('x', 6000000)))"
        " FROM generate_series(1, 8)"
    )
    with running(service.database) as daemon:
        eventually_sync(lambda: statuses(service) == {"paused"}, 60)
        assert daemon.metric("resumer_database_errors_total") == 0


# C30
@every_vintage
@pytest.mark.parametrize("column", ["context", "resume_data"])
def test_an_execution_whose_document_is_larger_than_allowed_is_an_incident_of_its_own(
    database: Database, column: str
):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, document_bytes=100_000):
        large, other = service.paused(), service.paused()
        database.run(
            f"UPDATE workflow_executions SET {column} ="
            " jsonb_build_object('doc', repeat('x', 200000)) WHERE id = %s",
            large,
        )
        database.run("UPDATE approval_requests SET status = 'approved'")
        assert service.ended(other)["result"] == "allowed"
        eventually_sync(lambda: is_incident(service, large, "too_large"))
        incident = service.pause(large)["incident"]
        assert column in incident["detail"]
        assert "RESUMER_DOCUMENT_BYTES" in incident["remedy"]
        database.run(f"UPDATE workflow_executions SET {column} = '{{}}' WHERE id = %s", large)
        database.run("SELECT resumer.retry(%s, 'me', 'made it smaller')", large)
        assert service.ended(large)["result"] == "allowed"


# C30
def test_a_payload_that_another_program_wrote_and_is_too_large_is_an_incident(service: Service):
    with running(service.database, document_bytes=100_000):
        execution = service.start()
        service.until(execution, "paused")
        large = service.insert(
            "workflow_executions",
            execution_id="large",
            status="pending",
            workflow_id=service.look(execution)["workflow_id"],
            trigger_payload=Jsonb({"doc": "x" * 100_001}),
        )
        service.database.run(
            "INSERT INTO resumer.resume_requests (execution_id, kind) VALUES (%s, 'start')", large
        )
        eventually_sync(lambda: is_incident(service, large, "too_large"))


# C30
def test_start_and_emit_refuse_a_payload_that_is_larger_than_allowed(service: Service):
    with running(service.database, document_bytes=100_000):
        for call in ("resumer.start('flow', %s)", "resumer.emit('paid', %s)"):
            with pytest.raises(psycopg.Error, match="at most 100000 are allowed") as refused:
                service.database.run(f"SELECT {call}", Jsonb({"doc": "x" * 100_001}))
            assert refused.value.sqlstate == "RZ413"
            service.database.run(f"SELECT {call}", Jsonb({"doc": "x" * 99_000}))
