"""The ledger is trimmed where the settings say so, and only of what nobody needs any more."""

from resumer_daemon.daemon.ledger import SLICE, Ledger
from resumer_daemon.store.database import Database as Store
from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

HOUR = 3600.0
KEPT = "SELECT execution_id, kind FROM resumer.resume_requests ORDER BY id"
OLD = "UPDATE resumer.resume_requests SET requested_at = requested_at - interval '2 hours', "
OLD += "finished_at = finished_at - interval '2 hours'"


async def test_what_was_settled_long_ago_goes_when_its_execution_has_ended(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        ended, standing = service.paused(), service.paused()
        service.decide(service.asked(ended)[0], "approved")
        service.ended(ended)
    database.run(OLD)
    recent = service.start()
    await Ledger(Store(database.url), HOUR).beat()
    assert database.run(KEPT) == [(standing, "start"), (recent, "start")]


async def test_an_event_is_remembered_for_as_long_as_it_could_be_found_again(database: Database):
    with running(database):
        database.run("SELECT resumer.emit('paid')")
        entered = "SELECT outcome FROM resumer.resume_requests WHERE kind = 'event'"
        eventually_sync(lambda: all(outcome for (outcome,) in database.run(entered)))
    database.run(OLD)
    await Ledger(Store(database.url), HOUR).beat()
    assert database.run(KEPT) == [(None, "event")]
    database.run(OLD.replace("2 hours", "2 days"))
    await Ledger(Store(database.url), HOUR).beat()
    assert database.run(KEPT) == []


async def test_what_is_open_or_held_stays_however_old_it_is(database: Database):
    service = Service(database)
    service.workflow(ask(), allow())
    execution = service.start()
    service.approval(execution, "approved")
    database.run(OLD)
    database.run("UPDATE resumer.resume_requests SET outcome = 'held' WHERE kind = 'approval'")
    database.run("UPDATE workflow_executions SET status = 'completed'")
    await Ledger(Store(database.url), HOUR).beat()
    assert database.run(KEPT) == [(execution, "start"), (execution, "approval")]


async def test_it_walks_in_slices_to_the_first_that_is_kept(database: Database):
    database.run(
        "INSERT INTO resumer.resume_requests"
        " (execution_id, kind, outcome, requested_at, finished_at)"
        " SELECT gen_random_uuid(), 'event', 'vanished', now() - age, now() - age"
        " FROM generate_series(1, %s) AS n,"
        " LATERAL (SELECT make_interval(hours => CASE WHEN n <= %s THEN 2 ELSE 0 END) AS age) AS a",
        SLICE * 2 + 100,
        SLICE * 2 + 50,
    )
    await Ledger(Store(database.url), HOUR).beat()
    assert database.run("SELECT count(*) FROM resumer.resume_requests") == [(50,)]
