"""A state that a newer version wrote: that execution is left alone, and everybody else moves."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, eventually_sync
from tests.harness.receiver import answering, receiver
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

NEWER = """UPDATE resumer.{} SET state = jsonb_set(state, '{{v}}', '2') WHERE execution_id = %s"""
OLDER = """UPDATE resumer.{} SET state = jsonb_set(state, '{{v}}', '1') WHERE execution_id = %s"""


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def paused(service: Service) -> UUID:
    """Return an execution that is paused with a state of a newer version."""
    with running(service.database):
        execution = service.paused()
    service.database.run(NEWER.format("pauses"), execution)
    return execution


def doctor(database: Database) -> dict[str, str]:
    told = CliRunner().invoke(app, ["doctor", "--json"], env={"RESUMER_DATABASE_URL": database.url})
    return {each["check"]: each["verdict"] for each in json.loads(told.stdout)["checks"]}


# C53
def test_a_pause_of_a_newer_version_is_left_alone_and_others_move(
    service: Service, database: Database, tmp_path: Path
):
    newer = paused(service)
    with process(database, tmp_path / "log") as daemon:
        eventually_sync(daemon.ready)
        service.decide(service.asked(newer)[0], "approved")
        eventually_sync(lambda: daemon.said("incompatible_state"))
        for _ in range(3):
            other = service.paused()
            service.decide(service.asked(other)[0], "approved")
            assert service.ended(other)["result"] == "allowed"
        assert daemon.metric("resumer_incompatible_executions") == 1
        assert daemon.metric("resumer_database_errors_total") == 0
        [(found,)] = database.run("SELECT resumer.explain(%s)", newer)
        assert found["reasons"][0]["code"] == "incompatible_state"
        assert doctor(database)["states"] == "error"
        assert len(daemon.said("incompatible_state")) == 1
        assert daemon.said("database_lost") == []
    assert service.standing(newer)[0] == "paused"
    assert service.decisions(newer) == [("approved", None)]
    database.run(OLDER.format("pauses"), newer)  # as if the newer version were back
    with running(database):
        assert service.ended(newer)["result"] == "allowed"


# C53
def test_many_pauses_of_a_newer_version_keep_nobody_busy(service: Service, database: Database):
    with running(database):
        newer = [service.paused() for _ in range(30)]
    database.run("UPDATE resumer.pauses SET state = jsonb_set(state, '{v}', '2')")
    database.run("UPDATE approval_requests SET status = 'approved'")
    with running(database, batch_size=10, poll_interval="1h", reconcile_interval="1h") as daemon:
        eventually_sync(lambda: daemon.metric("resumer_incompatible_executions") == len(newer))
        other = service.paused()
        service.decide(service.asked(other)[0], "approved")
        assert service.ended(other)["result"] == "allowed"
        eventually_sync(lambda: quiet(database), of="the worker asks nothing any more")


def quiet(database: Database) -> bool:
    """Tell whether the worker has asked nothing for a while."""
    return database.run(
        "SELECT clock_timestamp() - max(state_change) > interval '300 ms' FROM pg_stat_activity"
        " WHERE application_name = 'resumer-worker' AND datname = current_database()"
    ) == [(True,)]


# C53
async def test_a_lease_of_a_newer_version_is_left_alone(
    service: Service, database: Database, tmp_path: Path
):
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        service.workflow({"id": "send", "type": "execute", "execute": [act]}, name="sends")

        def work() -> None:
            execution = service.insert(
                "workflow_executions", execution_id="e", status="running", context="{}"
            )
            database.run(
                "INSERT INTO resumer.leases (execution_id, epoch, lease_until, state, definition)"
                " VALUES (%s, 7, now(), '{\"v\": 2}', 'none')",
                execution,
            )
            with process(database, tmp_path / "log", http_allow="localhost") as daemon:
                eventually_sync(lambda: daemon.said("incompatible_state"))
                assert service.ended(service.start("sends"))["result"] == "executed"
                assert daemon.said("database_lost") == []
            assert database.run(
                "SELECT epoch, instance, takeovers FROM resumer.leases WHERE execution_id = %s",
                execution,
            ) == [(7, None, 0)]

        await asyncio.to_thread(work)


async def test_a_lease_that_nobody_can_read_is_an_incident(service: Service, database: Database):
    [(definition,)] = database.run(
        "INSERT INTO resumer.definitions (sha256, body) VALUES ('d', '{\"steps\": []}')"
        " RETURNING sha256"
    )
    execution = service.insert(
        "workflow_executions", execution_id="e", status="running", context="{}"
    )
    database.run(
        "INSERT INTO resumer.leases (execution_id, epoch, lease_until, state, definition)"
        " VALUES (%s, 7, now(), '{\"step\": 1}', %s)",
        execution,
        definition,
    )
    with running(database) as daemon:
        service.until(execution, "paused")
        assert service.pause(execution)["incident"]["cause"] == "row_unreadable"
        assert daemon.metric("resumer_database_errors_total") == 0
