"""A scrape shows where the time goes and what waits, and answers without the database."""

from collections.abc import Iterator
from time import monotonic
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as prometheus

from resumer_daemon.store.gauges import REASONS
from tests.harness import Database, eventually_sync
from tests.harness.running import Running, running
from tests.harness.service import Document, Service, allow, ask
from tests.unit.telemetry.test_metrics import EVERY

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
HELD = 0.3
LOOKED = (
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'resumer-worker' AND query_start > %s"
    " AND datname = current_database()"
)


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(database, poll_interval="1h", reconcile_interval="1h") as made:
        yield made


def stage(daemon: Running, name: str) -> float:
    """Return the seconds that all moves spent in a stage."""
    return daemon.metric("resumer_stage_seconds_sum", stage=name)


def counted(daemon: Running, times: int) -> None:
    """Wait until this many moves are counted. Their commit is visible a moment earlier."""
    eventually_sync(lambda: daemon.metric("resumer_stage_seconds_count", stage="record") == times)


def test_each_stage_of_a_move_is_observed_once(service: Service, daemon: Running):
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    counted(daemon, 2)
    for name in ("commit", "claim", "advance", "record"):
        assert daemon.metric("resumer_stage_seconds_count", stage=name) == 2
    assert daemon.metric("resumer_step_duration_seconds_count", type="action") == 2


def test_stages_before_the_claim_add_up_to_claim_latency(service: Service, daemon: Running):
    service.paused()
    counted(daemon, 1)
    together = stage(daemon, "commit") + stage(daemon, "claim")
    assert together > 0
    waited = daemon.metric("resumer_claim_latency_seconds_sum")
    assert together == pytest.approx(waited)
    committed = stage(daemon, "advance") + stage(daemon, "record")
    moved = daemon.metric("resumer_resume_latency_seconds_sum")
    assert waited + committed == pytest.approx(moved)


def test_open_writer_transaction_counts_as_commit_stage(service: Service, daemon: Running):
    [request] = service.asked(execution := service.paused())
    counted(daemon, 1)
    before = stage(daemon, "claim")
    with service.database.connect() as writer, writer.transaction():
        writer.execute(
            "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [request]
        )
        writer.execute("SELECT pg_sleep(%s)", [HELD])  # its work: what we measure, no wait of ours
        commits = monotonic()
    service.ended(execution)
    counted(daemon, 2)
    assert stage(daemon, "commit") >= HELD
    assert stage(daemon, "claim") - before <= monotonic() - commits


# P19: a transaction that commits hours after its statement
def test_latency_does_not_count_what_passed_before_a_scan_that_found_nothing(service: Service):
    with running(service.database, poll_interval="50ms", reconcile_interval="1h") as daemon:
        [request] = service.asked(execution := service.paused())
        counted(daemon, 1)
        before = daemon.metric("resumer_resume_latency_seconds_sum")
        with service.database.connect() as writer, writer.transaction():
            writer.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [request]
            )
            writer.execute("SELECT pg_sleep(1)")  # what we measure
            [(slept,)] = service.database.run("SELECT clock_timestamp()")
            eventually_sync(lambda: service.database.run(LOOKED, slept), of="a scan that missed it")
        service.ended(execution)
        counted(daemon, 2)
        assert daemon.metric("resumer_resume_latency_seconds_sum") - before < 1
        assert stage(daemon, "commit") >= 1


def test_timer_latency_counts_from_its_due_time(service: Service, daemon: Running):
    service.workflow({"id": "rest", "type": "wait", "wait": {"for": "1h"}}, name="resting")
    execution = service.paused("resting")
    service.database.run(
        "UPDATE resumer.resume_requests SET requested_at = requested_at - interval '1 hour',"
        " due_at = clock_timestamp() WHERE kind = 'timeout'"
    )
    service.database.run("NOTIFY resumer_wake")
    service.ended(execution)
    counted(daemon, 2)
    assert daemon.metric("resumer_resume_latency_seconds_sum", trigger="timeout") < 3600
    assert daemon.metric("resumer_claim_latency_seconds_sum", trigger="timeout") < 3600


def test_locked_execution_counts_as_claim_stage(service: Service, daemon: Running):
    [request] = service.asked(execution := service.paused())
    counted(daemon, 1)
    before = stage(daemon, "claim")
    with service.database.connect() as holder, holder.transaction():
        holder.execute("SELECT 1 FROM workflow_executions FOR UPDATE")
        service.decide(request, "approved")
        [(decided,)] = service.database.run("SELECT clock_timestamp()")
        eventually_sync(lambda: service.database.run(LOOKED, decided), of="a look that met it")
        holder.execute("SELECT pg_sleep(%s)", [HELD])  # what we measure
    service.ended(execution)
    counted(daemon, 2)
    assert stage(daemon, "claim") - before >= HELD


def test_scrape_ends_when_the_database_does_not_answer(database: Database):
    with running(database) as daemon:
        eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)
        with database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE resumer.pauses, resumer.outbox")
            status, text = daemon.get("/metrics")
            assert status == 200
            assert "resumer_db_up 0.0" in text
            assert "resumer_paused_executions" not in text
        eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)


def test_gauges_count_what_waits_for_people(service: Service, daemon: Running):
    service.workflow(ask(timeout="30m"), allow(), name="soon")
    service.workflow(turn("a", "b"), turn("b", "a"), name="round and round")
    execution = service.paused("soon")
    assert service.standing(service.paused("round and round")) == ("paused", "incident")
    for key in ("a", "b"):
        service.database.run(
            "INSERT INTO resumer.outbox (key, execution_id, kind, body, state)"
            " VALUES (%s, %s, 'notify', '{}', 'dead')",
            key,
            execution,
        )
    assert daemon.metric("resumer_approvals_expiring") == 1
    eventually_sync(lambda: daemon.metric("resumer_incidents_open") == 1)
    eventually_sync(lambda: daemon.metric("resumer_incidents_total", cause="step_budget") == 1)
    assert daemon.metric("resumer_outbox_messages", state="dead") == 2
    assert 0 <= daemon.metric("resumer_notification_queue_usage") < 1


def turn(step: str, other: str) -> Document:
    """Return a true condition with a next step."""
    condition = {"field": "order", "operator": "not_exists"}
    return {"id": step, "type": "condition", "condition": condition, "on_true": other}


def test_metrics_answer_in_openmetrics_on_request(service: Service, daemon: Running):
    service.paused()
    asked = Request(f"{daemon.address}/metrics", headers={"Accept": OPENMETRICS})  # noqa: S310
    with urlopen(asked, timeout=10) as answer:  # noqa: S310
        text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert {"resumer_stage_seconds", "resumer_resumes", "resumer_db_up"} <= names


def test_label_values_are_a_closed_set(service: Service, database: Database):
    """Include late, held and unrecognised decisions, and HTTP requests."""
    with running(database, decision_guard="audit") as daemon:
        executions = [service.paused() for _ in range(3)]
        requests = [service.asked(execution)[0] for execution in executions]
        for request, status in zip(requests, ("approved", "rejected", "perhaps"), strict=True):
            service.decide(request, status)
        service.ended(executions[1])
        service.decide(requests[1], "approved")
        service.database.run("SELECT resumer.cancel(%s)", executions[2])
        service.ended(executions[2])
        daemon.get("/nowhere")
        name = "resumer_decision_guard_holds_total"
        eventually_sync(lambda: daemon.metric(name, reason="missing_approver") == 1)
        answered, text = daemon.get("/metrics")
    assert answered == 200
    known = EVERY | {"reason": {*EVERY["reason"], *REASONS, "other"}}  # of pauses too
    unknown = {
        (sample.name, label, value)
        for family in prometheus(text)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label in EVERY and value not in known[label]
    }
    assert unknown == set()
