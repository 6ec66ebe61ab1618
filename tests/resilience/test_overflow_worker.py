"""The overflow worker processes batches beside the worker, and ends with the backlog."""

from structlog.testing import capture_logs

from resumer_daemon.daemon.batch import BatchResult
from resumer_daemon.daemon.instrumentation import Arrival
from resumer_daemon.daemon.worker import OverflowWorker
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually, eventually_sync
from tests.harness.running import processor, running
from tests.harness.service import Service, allow, ask

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
ENDED = "SELECT count(*) FROM workflow_executions WHERE status = 'completed'"
PAUSED = "SELECT count(*) FROM workflow_executions WHERE status = 'paused'"
WAITS = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
START = "SELECT resumer.start('flow') FROM generate_series(1, %s)"


async def test_it_ends_with_the_first_turn_that_finds_less_than_a_batch(database: Database):
    Service(database).workflow(allow())
    database.run(START, 7)
    results: list[BatchResult] = []
    overflow = OverflowWorker(
        Store(database.url),
        processor(database.url, batch_size=2),
        lambda result, _arrival: results.append(result),
    )
    overflow.start(Arrival(0.0))
    overflow.start(Arrival(0.0))
    await eventually(lambda: [len(result.executions) for result in results] == [2, 2, 2, 1])
    await overflow.close()
    assert database.run(ENDED) == [(7,)]


async def test_without_a_database_it_is_left_to_the_worker():
    results: list[BatchResult] = []
    overflow = OverflowWorker(
        Store(NOWHERE), processor(NOWHERE), lambda result, _arrival: results.append(result)
    )
    with capture_logs() as logs:
        overflow.start(Arrival(0.0))
        await eventually(lambda: logs, of="it says why it ended")
        await overflow.close()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("overflow_worker_stopped", "warning")
    ]
    assert results == []


def test_two_lanes_resume_each_execution_once(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, batch_size=5) as daemon:
        database.run(START, 60)
        until(database, PAUSED, 60)
        database.run("UPDATE approval_requests SET status = 'approved'")
        until(database, ENDED, 60)
        moved = {"trigger": "approval", "outcome": "completed"}
        assert daemon.metric("resumer_resumes_total", **moved) == 60
    steps = "SELECT count(*), count(DISTINCT (execution_id, step_id)) FROM step_executions"
    assert database.run(steps) == [(120, 120)]


def test_a_slow_batch_does_not_delay_what_is_decided_meanwhile(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    service.workflow({**ask(), "on_true": "slow"}, {**allow(), "id": "slow"}, name="slow")
    with running(database, poll_interval="1h", reconcile_interval="1h") as daemon:
        slow, quick = service.paused("slow"), service.paused()
        database.run(
            "CREATE FUNCTION wait_for_quick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$"
        )
        database.run(
            "CREATE TRIGGER slow BEFORE INSERT ON step_executions FOR EACH ROW"
            " WHEN (NEW.step_id = 'slow') EXECUTE FUNCTION wait_for_quick()"
        )
        with database.connect() as holder, holder.transaction():
            holder.execute("SELECT pg_advisory_xact_lock(1)")
            service.decide(service.asked(slow)[0], "approved")
            eventually_sync(lambda: database.run(WAITS), of="the slow batch waits")
            service.decide(service.asked(quick)[0], "approved")
            assert service.ended(quick)["result"] == "allowed"
            assert database.run(WAITS)
            assert daemon.metric("resumer_batches_failed_total") == 0
        assert service.ended(slow)["result"] == "allowed"


def until(database: Database, question: str, count: int) -> None:
    eventually_sync(lambda: database.run(question) == [(count,)], of=question)
