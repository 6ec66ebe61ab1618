"""Documents as large as the settings allow, and larger: one of them delays nobody else."""

import json
from pathlib import Path

import pytest

from resumer_daemon.store import database as store
from tests.harness import Database, eventually_sync
from tests.harness.running import process
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
        await session.run("start", {**facts, "payload": payload})
    assert len(own_database.run("SELECT id FROM workflow_executions")) == 1


# C14
def test_a_large_payload_pauses_and_a_small_one_beside_it(service: Service, tmp_path: Path):
    start_with(service, 7 * MEGABYTE)
    with process(service.database, tmp_path / "log") as daemon:
        small = service.start()
        service.until(small, "paused")
        eventually_sync(lambda: statuses(service) == {"paused"})
        assert daemon.metric("resumer_database_errors_total") == 0
