"""A bulk of decisions does not make all others wait."""

from uuid import UUID, uuid4

from resumer_daemon import config
from resumer_daemon.daemon.batch import NEWEST, BatchProcessor
from resumer_daemon.daemon.polling import ScanWindow
from resumer_daemon.store.inputs import DefinitionCache
from resumer_daemon.store.leases import LeaseOwner
from resumer_daemon.store.session import Database as Store
from tests.harness import Database
from tests.harness.service import Service, allow, ask

BATCH, MANY = 20, 1_000
LONGEST = """
SELECT execution_id FROM resumer.requests WHERE kind = 'approval' AND outcome IS NULL
ORDER BY due_at, id"""


async def test_a_single_decision_waits_for_two_batches_at_most(database: Database):
    settings = config.load_settings(database_url=database.url, batch_size=BATCH)
    turner = BatchProcessor(
        settings,
        DefinitionCache(),
        LeaseOwner(uuid4(), settings.lease, 1.0),
        lambda: 1,
        ScanWindow(),
    )
    service = Service(database)
    service.workflow(ask(), allow())
    for _ in range(MANY):
        service.start()
    session = await Store(database.url).session()
    async with session.connection:
        while (await turner.take(session)).claimed:
            continue
        database.run("UPDATE approval_requests SET status = 'approved'")  # one of many
        longest = [row[0] for row in database.run(LONGEST)]
        single = UUID(str(service.start()))  # another's
        first, second = await turner.take(session), await turner.take(session)
    assert single not in first.claimed
    assert single in second.claimed
    # the longest waiting are not forgotten for it
    share = BATCH - BATCH // NEWEST
    assert set(second.claimed) >= set(longest[BATCH : BATCH + share])
