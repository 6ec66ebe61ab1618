"""Health and metrics: what an orchestrator and an alert rule read."""

import re
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness import Database, eventually_sync
from tests.harness.running import Running, process, running
from tests.harness.service import Service, allow, ask

METRICS = {
    "resumer_build_info",
    "resumer_claim_latency_seconds_bucket",
    "resumer_db_up",
    "resumer_incidents_total",
    "resumer_late_decisions_total",
    "resumer_listen_mode",
    "resumer_listener_reconnects_total",
    "resumer_listener_up",
    "resumer_oldest_open_request_age_seconds",
    "resumer_oldest_pause_age_seconds",
    "resumer_paused_executions",
    "resumer_requests_open",
    "resumer_resume_latency_seconds_bucket",
    "resumer_resumes_total",
    "resumer_triggers_missing",
    "resumer_unrecognised_decisions_total",
    "resumer_wakeups_total",
}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(database, poll_interval="1h") as made:
        yield made


def test_a_healthy_daemon_is_alive_and_ready(daemon: Running):
    assert daemon.get("/livez")[0] == 200
    assert daemon.get("/readyz")[0] == 200
    assert daemon.get("/nothing")[0] == 404


def test_readiness_follows_the_database(own_server: EmbeddedPostgres, own_database: Database):
    with running(own_database) as daemon:
        own_server.stop()
        eventually_sync(lambda: daemon.get("/readyz")[0] == 503)
        status, said = daemon.get("/readyz")
        assert (status, "database" in said) == (503, True)
        assert daemon.get("/livez")[0] == 200
        assert daemon.metric("resumer_db_up") == 0
        own_server.start()
        eventually_sync(daemon.ready)
        eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)


def test_the_metrics_tell_what_happened(service: Service, daemon: Running):
    execution = service.paused()
    eventually_sync(
        lambda: daemon.metric("resumer_paused_executions", reason="approval_required") == 1
    )
    assert daemon.metric("resumer_oldest_pause_age_seconds", reason="approval_required") > 0
    [request] = service.asked(execution)
    service.decide(request, "perhaps")
    eventually_sync(lambda: daemon.metric("resumer_unrecognised_decisions_total") == 1)
    service.decide(request, "approved")
    service.ended(execution)
    service.decide(request, "rejected")
    eventually_sync(lambda: daemon.metric("resumer_late_decisions_total") == 1)
    for trigger in ("start", "approval"):
        for stage in ("claim", "resume"):
            name = f"resumer_{stage}_latency_seconds_count"
            assert daemon.metric(name, trigger=trigger) == 1
    assert daemon.metric("resumer_resumes_total", trigger="approval", outcome="completed") == 1
    assert daemon.metric("resumer_wakeups_total", source="notify") >= 3
    assert daemon.metric("resumer_wakeups_total", source="poll") == 0


def test_the_age_of_the_oldest_request_is_true_while_it_is_stuck(service: Service, daemon: Running):
    execution = service.paused()
    with service.database.connect() as holder, holder.transaction():
        holder.execute("SELECT 1 FROM workflow_executions FOR UPDATE")
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: daemon.metric("resumer_oldest_open_request_age_seconds") > 0.5)
        assert daemon.metric("resumer_requests_open", kind="approval") == 1
    service.ended(execution)
    assert daemon.metric("resumer_oldest_open_request_age_seconds") == 0


def test_every_metric_of_the_design_is_there_and_no_label_holds_an_id(
    service: Service, daemon: Running
):
    execution, waiting = service.paused(), service.paused()
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    assert service.standing(waiting) == ("paused", "approval_required")
    eventually_sync(lambda: daemon.metric("resumer_paused_executions") == 1)
    families = list(text_string_to_metric_families(daemon.get("/metrics")[1]))
    names = {sample.name for family in families for sample in family.samples}
    declared = names | {f"{family.name}_total" for family in families} | {f.name for f in families}
    assert declared >= METRICS
    values = {v for f in families for sample in f.samples for v in sample.labels.values()}
    assert not [value for value in values if re.search(r"[0-9a-f]{8}", value)]


def test_an_address_that_is_taken_is_said_in_one_line(
    daemon: Running, database: Database, tmp_path
):
    port = daemon.address.rpartition(":")[2]
    with process(database, tmp_path / "log", http_port=port) as second:
        assert second.wait() == 1
        [line] = [line["event"] for line in second.log() if "cannot listen" in line["event"]]
        assert port in line
        assert len(second.log()) == 1


def test_the_exporter_tells_of_the_database_and_claims_nothing(
    service: Service, database: Database, tmp_path
):
    with process(database, tmp_path / "log", command="exporter") as exporter:
        eventually_sync(exporter.ready)
        execution = service.start()
        assert exporter.metric("resumer_requests_open", kind="start") == 1
        assert service.standing(execution)[0] == "pending"
        assert exporter.metric("resumer_db_up") == 1
