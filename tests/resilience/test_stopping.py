"""SIGTERM drains, a second signal ends at once, and a stopped daemon leaves nothing behind."""

import os
import signal
import socket
from functools import partial
from typing import Any

import pytest

from resumer_daemon.daemon import effect_sender
from resumer_daemon.effects.throttle import HostThrottle
from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness import Database, eventually_sync
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

PATIENT: dict[str, Any] = {"drain_timeout": "1h", "lease": "2h"}


def waiting_workers(database: Database) -> list[int]:
    rows = database.run(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'resumer-worker'"
        " AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    return [pid for (pid,) in rows]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_the_current_batch_finish(database: Database, tmp_path, number: signal.Signals):
    service = Service(database)
    service.workflow(ask(), allow())
    with process(database, tmp_path / "log", **PATIENT) as daemon:
        execution, next_one = service.paused(), service.paused()
        with database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE step_executions IN EXCLUSIVE MODE")
            service.decide(service.asked(execution)[0], "approved")
            eventually_sync(lambda: waiting_workers(database))
            daemon.signal(number)
            eventually_sync(lambda: daemon.said("draining"))
        service.ended(execution)
        assert daemon.wait() == 0
        assert daemon.said("stopped")
        service.decide(service.asked(next_one)[0], "approved")
        assert database.run("SELECT id FROM resumer.instances") == []
    assert service.decisions(execution) == [("approved", "applied")]
    assert service.decisions(next_one) == [("approved", None)]


def test_second_signal_ends_the_daemon_at_once(
    own_server: EmbeddedPostgres, own_database: Database, tmp_path
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    with process(own_database, tmp_path / "log", **PATIENT) as daemon:
        execution = service.paused()
        with own_database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE step_executions IN EXCLUSIVE MODE")
            service.decide(service.asked(execution)[0], "approved")
            [worker] = eventually_sync(lambda: waiting_workers(own_database))
            os.kill(worker, signal.SIGSTOP)  # a backend that does not respond any more
        try:
            daemon.signal()
            eventually_sync(lambda: daemon.said("draining"))
            assert daemon.running
            daemon.signal()
            daemon.wait()
        finally:
            os.kill(worker, signal.SIGCONT)
    with running(own_database):
        assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")]
    assert service.steps(execution) == ["ask", "release"]


def test_drain_ends_after_its_timeout(
    own_server: EmbeddedPostgres, own_database: Database, tmp_path
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    with process(own_database, tmp_path / "log", drain_timeout="500ms") as daemon:
        execution = service.paused()
        with own_database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE step_executions IN EXCLUSIVE MODE")
            service.decide(service.asked(execution)[0], "approved")
            [worker] = eventually_sync(lambda: waiting_workers(own_database))
            os.kill(worker, signal.SIGSTOP)
        try:
            daemon.signal()
            daemon.wait()
            assert daemon.said("draining")
            assert not daemon.running
        finally:
            os.kill(worker, signal.SIGCONT)
    with running(own_database):
        assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")]


def test_drain_does_not_wait_for_an_open_circuit_breaker(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        effect_sender, "HostThrottle", partial(HostThrottle, failures=1, open_seconds=3600.0)
    )
    service = Service(database)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://localhost:{nobody.getsockname()[1]}/"
        send = {"type": "webhook", "url": url}
        service.workflow({"id": "send", "type": "execute", "execute": [send]})
        with running(database, http_allow="localhost", **PATIENT):
            failed = service.start()
            assert service.ended(failed)["status"] == "failed"
            resting = service.start()
            eventually_sync(lambda: service.look(resting)["status"] == "running")
    due = "SELECT lease_until <= clock_timestamp() FROM resumer.leases WHERE execution_id = %s"
    assert database.run(due, resting) == [(True,)]
    assert service.look(resting)["status"] == "running"


def test_idle_daemon_stops_and_leaves_no_session(database: Database):
    with running(database) as daemon:
        assert daemon.metric("resumer_db_up") == 1
    eventually_sync(
        lambda: (
            database.run(
                "SELECT application_name FROM pg_stat_activity"
                " WHERE application_name LIKE 'resumer-%%' AND datname = current_database()"
            )
            == []
        )
    )


def test_daemon_stops_while_its_database_is_down(
    own_server: EmbeddedPostgres, own_database: Database, tmp_path
):
    with process(own_database, tmp_path / "log") as daemon:
        eventually_sync(daemon.ready)
        own_server.stop()
        eventually_sync(lambda: daemon.get("/readyz")[0] == 503)
        daemon.signal()
        assert daemon.wait() == 0
