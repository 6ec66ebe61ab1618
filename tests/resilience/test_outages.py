"""Outages around a daemon: connections, notifications, triggers, the whole server."""

from typing import Any

import pytest

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store.grants import give
from tests.harness import Database, eventually_sync
from tests.harness.database import member_of, migrate_up
from tests.harness.load import Load
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

BY_NOTIFY_ALONE: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "1h"}
BY_POLL_ALONE: dict[str, Any] = {"poll_interval": "200ms", "reconcile_interval": "1h"}
BY_RECONCILING_ALONE: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "300ms"}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def kill(database: Database, name: str) -> int:
    """Terminate the sessions of that name, and return how many there were."""
    return len(
        database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            name,
        )
    )


def decided(service: Service, status: str = "approved") -> None:
    """Pause an execution and decide it, and wait for its end."""
    execution = service.paused()
    service.decide(service.asked(execution)[0], status)
    service.ended(execution)


def test_a_listener_whose_session_is_killed_listens_again(service: Service, database: Database):
    with running(database, **BY_NOTIFY_ALONE) as daemon:
        execution = service.paused()
        [request] = service.asked(execution)
        with database.connect() as person:  # in one go: it is written while nobody listens
            person.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = 'resumer-listener' AND datname = current_database()"
            )
            person.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [request]
            )
        assert service.ended(execution)["result"] == "allowed"
        eventually_sync(lambda: daemon.metric("resumer_listener_up") == 1)
        assert daemon.metric("resumer_listener_reconnects_total") == 1
        before = daemon.metric("resumer_wakeups_total", source="notify")
        decided(service)
        assert daemon.metric("resumer_wakeups_total", source="notify") > before


def test_a_worker_whose_session_is_killed_again_and_again_loses_nothing(
    service: Service, database: Database
):
    with running(database), Load(service, 100) as load:
        for share in (10, 30, 50, 70):
            load.wait_for(share)
            kill(database, "resumer-worker")
        load.check()


def test_a_killed_reconciler_or_scrape_is_no_end(service: Service, database: Database):
    with running(database) as daemon:
        assert daemon.metric("resumer_db_up") == 1
        for name in ("resumer-pool", "resumer-metrics"):
            with database.connect() as holder, holder.transaction():
                holder.execute("LOCK TABLE resumer.pauses IN ACCESS EXCLUSIVE MODE")
                if name == "resumer-pool":
                    eventually_sync(lambda: waits(database, "resumer-pool"))
                assert kill(database, name) >= 1
        decided(service)
        eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)


def waits(database: Database, name: str) -> bool:
    return bool(
        database.run(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"
            " AND wait_event_type = 'Lock' AND datname = current_database()",
            name,
        )
    )


def test_a_table_that_is_locked_for_longer_than_a_statement_may_wait_is_waited_out(
    service: Service, database: Database
):
    with running(database) as daemon:
        execution = service.paused()
        with database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE resumer.pauses IN ACCESS EXCLUSIVE MODE")
            service.decide(service.asked(execution)[0], "approved")
            eventually_sync(
                lambda: daemon.metric("resumer_database_errors_total", sqlstate_class="55") >= 1,
                of="a turn has given up waiting",
            )
        assert service.ended(execution)["result"] == "allowed"
        eventually_sync(daemon.ready)


def test_a_writer_in_replica_role_is_found_by_the_reconciler(service: Service, database: Database):
    with running(database, **BY_RECONCILING_ALONE) as daemon:
        execution = service.paused()
        with database.connect() as other:
            other.execute("SET session_replication_role = replica")
            other.execute("UPDATE approval_requests SET status = 'rejected'")
        assert service.ended(execution)["result"] == "blocked"
        assert service.decisions(execution) == [("rejected", "applied")]
        assert daemon.metric("resumer_reconciled_total", kind="decision") == 1


@pytest.mark.parametrize("how", ["DISABLE TRIGGER", "DROP"])
def test_a_trigger_that_is_off_is_said_and_made_up_for(
    service: Service, database: Database, how: str
):
    off = {
        "DISABLE TRIGGER": "ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update",
        "DROP": "DROP TRIGGER resumer_approval_update ON approval_requests",
    }[how]
    with running(database, **BY_RECONCILING_ALONE) as daemon:
        assert daemon.metric("resumer_triggers_missing") == 0
        with database.connect() as person:
            person.execute(off.encode())
        eventually_sync(lambda: daemon.metric("resumer_triggers_missing") == 1)
        decided(service)


def test_without_notifications_decisions_are_found_by_the_poll(
    service: Service, database: Database
):
    with running(database, notify="off", **BY_POLL_ALONE) as daemon:
        eventually_sync(lambda: database.run("SELECT notify FROM resumer.control") == [("off",)])
        decided(service)
        assert daemon.metric("resumer_wakeups_total", source="notify") == 0
        # once at least: the second decision may find it still awake
        eventually_sync(lambda: daemon.metric("resumer_wakeups_total", source="poll") >= 1)


def test_without_a_listener_the_daemon_polls_and_says_so(service: Service, database: Database):
    away = "postgresql://127.0.0.1:1/nowhere"
    with running(database, listens=False, listen_url=away, reconcile_interval="1h") as daemon:
        assert daemon.metric("resumer_listen_mode", mode="poll") == 1
        assert daemon.metric("resumer_listener_up") == 0
        decided(service)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql_under_load_loses_nothing(
    own_server: EmbeddedPostgres, own_database: Database, mode, tmp_path
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    with process(own_database, tmp_path / "log") as daemon, Load(service, 60) as load:
        load.wait_for(20)
        own_server.stop(mode)
        eventually_sync(lambda: daemon.get("/readyz")[0] == 503, of="it says that it is degraded")
        assert daemon.get("/livez")[0] == 200
        assert daemon.metric("resumer_db_up") == 0
        own_server.start()
        load.check()
        eventually_sync(lambda: daemon.ready() and daemon.metric("resumer_listener_up") == 1)
        assert daemon.running


def test_a_daemon_that_starts_before_its_database_waits_for_it(
    own_server: EmbeddedPostgres, own_database: Database, tmp_path
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    own_server.stop()
    with process(own_database, tmp_path / "log") as daemon:
        eventually_sync(lambda: len(daemon.said("database_lost")) >= 2, of="it tries again")
        assert daemon.get("/livez")[0] == 200
        assert daemon.get("/readyz")[0] == 503
        own_server.start()
        eventually_sync(daemon.ready)
        decided(service)


def test_two_daemons_share_the_work_and_the_death_of_one_loses_nothing(
    service: Service, database: Database, tmp_path
):
    log = tmp_path / "log"
    with process(database, log) as other, process(database, tmp_path / "dying") as dying:
        eventually_sync(lambda: other.ready() and dying.ready())
        with Load(service, 100) as load:
            load.wait_for(30)
            dying.kill()
            load.check()


def test_a_daemon_on_a_database_that_was_not_migrated_says_what_to_do(
    unmigrated: Database, tmp_path
):
    with process(unmigrated, tmp_path / "log") as daemon:
        [told] = eventually_sync(lambda: daemon.said("not_migrated"))
        assert "migrate up" in told["error"]
        status, reason = daemon.get("/readyz")
        assert (status, "migrate up" in reason) == (503, True)
        migrate_up(unmigrated.url)
        eventually_sync(daemon.ready)
        eventually_sync(lambda: daemon.metric("resumer_background_runs_total", task="triggers"))
        assert daemon.said("not_migrated") == [told]
        assert len(daemon.said("migrated")) == 1
        assert daemon.said("background_task_failed") == []


@pytest.mark.parametrize("roles", [(), ("resumer_operator",)], ids=["none", "operator"])
async def test_a_daemon_without_its_rights_ends_and_says_who_grants_them(
    database: Database, tmp_path, roles: tuple[str, ...]
):
    await give(database.url, "public")
    with member_of(database, *roles) as lowly, process(lowly, tmp_path / "log") as daemon:
        eventually_sync(lambda: not daemon.running)
        told = (tmp_path / "log").read_text()
        assert "permission denied" in told
        assert "resumer-daemon migrate grants" in told
        assert daemon.said("database_lost") == []
