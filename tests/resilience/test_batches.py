"""A turn is as many statements and one commit, however many executions it moves."""

from collections import Counter
from uuid import UUID

import pytest

from resumer_daemon.daemon.batch import BatchResult
from resumer_daemon.store.session import Database as Store
from tests.harness import Database
from tests.harness.database import Databases
from tests.harness.proxy import sent
from tests.harness.running import processor
from tests.harness.service import Service, allow, ask, block

SIZES = (1, 2, 100)

# who wrote what a turn writes: one transaction is one of these
WRITERS = """
SELECT DISTINCT xmin::text FROM (
  SELECT xmin FROM workflow_executions UNION ALL SELECT xmin FROM step_executions
  UNION ALL SELECT xmin FROM resumer.pauses UNION ALL SELECT xmin FROM resumer.definitions
  UNION ALL SELECT xmin FROM resumer.settled_requests
  UNION ALL SELECT xmin FROM resumer.resume_requests WHERE outcome = 'held'
) AS written
"""

DECISIONS = {
    "approved": "UPDATE approval_requests SET status = 'approved' WHERE execution_id = ANY (%s)",
    "rejected": "UPDATE approval_requests SET status = 'rejected' WHERE execution_id = ANY (%s)",
    "no word": "UPDATE approval_requests SET status = 'Approved ' WHERE execution_id = ANY (%s)",
    "one of two": "INSERT INTO approval_requests (request_id, execution_id, status)"
    " SELECT gen_random_uuid(), id, 'approved' FROM unnest(%s) AS id",
    "expired": "WITH past AS (UPDATE approval_requests SET expires_at = '2020-01-01'"
    " WHERE execution_id = ANY (%s) RETURNING id, execution_id)"
    " INSERT INTO resumer.resume_requests (execution_id, kind, source_id)"
    " SELECT execution_id, 'timeout', id FROM past",
    "cancelled": "INSERT INTO resumer.resume_requests (execution_id, kind)"
    " SELECT id, 'cancel' FROM unnest(%s) AS id",
}


class Daemon:
    """The middle of a daemon, on a database with one workflow, taking one turn when it is told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        Service(database).workflow(ask(on_false="refuse"), allow(), block("refuse"))

    def start(self, count: int) -> list[UUID]:
        start = "SELECT resumer.start('flow') FROM generate_series(1, %s)"
        return [started for (started,) in self.database.run(start, count)]

    async def turn(self) -> tuple[BatchResult, Counter[str]]:
        session = await Store(self.database.url).session()
        async with session.connection as connection:
            with sent(connection) as messages:
                result = await processor(self.database.url).process_due(session)
        return result, messages

    async def cost(self, size: int) -> tuple[int, int]:
        """Take a turn that moves so many; return its statements and how often it waited."""
        before = set(self.database.run(WRITERS))
        result, messages = await self.turn()
        assert len(result.executions) == size
        assert len(set(self.database.run(WRITERS)) - before) == 1
        return messages["Execute"], messages["Sync"]


async def test_starts_that_pause(databases: Databases):
    costs = set()
    for size in SIZES:
        with databases.fresh("empty", migrated=True) as database:
            daemon = Daemon(database)
            daemon.start(size)
            costs.add(await daemon.cost(size))
    assert len(costs) == 1


@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)
async def test_decisions(databases: Databases, decide: str):
    costs = set()
    for size in SIZES:
        with databases.fresh("empty", migrated=True) as database:
            daemon = Daemon(database)
            started = daemon.start(size)
            await daemon.turn()
            database.run(decide, started)
            costs.add(await daemon.cost(size))
    assert len(costs) == 1


async def test_starts_and_decisions_of_every_kind_together(databases: Databases):
    costs = set()
    for each in (1, 20):
        with databases.fresh("empty", migrated=True) as database:
            daemon = Daemon(database)
            started = daemon.start(each * len(DECISIONS))
            await daemon.turn()
            parts = [started[number :: len(DECISIONS)] for number in range(len(DECISIONS))]
            for decide, some in zip(DECISIONS.values(), parts, strict=True):
                database.run(decide, some)
            daemon.start(each)
            costs.add(await daemon.cost(each * (len(DECISIONS) + 1)))
    assert len(costs) == 1


async def test_a_look_that_finds_nothing_asks_once_and_for_little(database: Database):
    _, messages = await Daemon(database).turn()
    reads = ["claim.read_executions", "claim.read_requests", "claim.read_approvals"]
    assert messages["Execute"] == len(
        ["BEGIN", "claim.claim_due", *reads, "inbox.read_queue_status", "COMMIT"]
    )
