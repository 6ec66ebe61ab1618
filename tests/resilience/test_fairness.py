"""A bulk of decisions does not make all others wait."""

from uuid import UUID

from resumer_daemon.daemon.batch import NEWEST_PART
from resumer_daemon.store.session import Database as Store
from tests.harness import Database
from tests.harness.running import processor
from tests.harness.service import Service, allow, ask

BATCH, MANY = 20, 1_000
LONGEST = """
SELECT execution_id FROM resumer.requests WHERE kind = 'approval' AND outcome IS NULL
ORDER BY due_at, id"""


async def test_a_single_decision_waits_for_two_batches_at_most(database: Database):
    batches = processor(database.url, batch_size=BATCH)
    service = Service(database)
    service.workflow(ask(), allow())
    for _ in range(MANY):
        service.start()
    session = await Store(database.url).session()
    async with session.connection:
        while (await batches.process_due(session)).executions:
            continue
        database.run("UPDATE approval_requests SET status = 'approved'")  # one of many
        longest = [row[0] for row in database.run(LONGEST)]
        single = UUID(str(service.start()))  # another's
        first = await batches.process_due(session)
        second = await batches.process_due(session, after_full=first.full)
    assert single not in first.executions
    assert single in second.executions
    # the longest waiting are not forgotten for it
    share = BATCH - BATCH // NEWEST_PART
    assert set(second.executions) >= set(longest[BATCH : BATCH + share])
