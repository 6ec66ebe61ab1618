"""The observer of chaos names the daemon that wrote, and the one that had taken the lease."""

from tests.chaos.checker import Write
from tests.chaos.observer import named, observe, writes
from tests.harness import Database

EXECUTION = "00000000-0000-0000-0000-000000000001"
TAKE = (
    "INSERT INTO resumer.leases AS l (execution_id, epoch, takeovers) VALUES (%s, 1, 0)"
    " ON CONFLICT (execution_id) DO UPDATE SET epoch = l.epoch + 1"
)
INTENT = (
    "INSERT INTO resumer.effects"
    " (key, execution_id, path, kind, request, delivery, status, attempts, epoch)"
    " VALUES ('k', %s, 'p', 'webhook', '{}', 'keyed', 'intent', 1, 1)"
)
OUTCOME = "UPDATE resumer.effects SET status = 'done' WHERE key = 'k'"


def as_daemon(database: Database, name: str) -> Database:
    return Database(database.name, named(database.url, name), database.vintage)


def test_an_outcome_is_recorded_with_its_writer_and_the_last_holder(database: Database):
    observe(database)
    first, second = as_daemon(database, "first"), as_daemon(database, "second")
    first.run(TAKE, EXECUTION)
    first.run(INTENT, EXECUTION)
    first.run(OUTCOME)
    assert writes(database) == [Write("k", "first", "first")]
    second.run(TAKE, EXECUTION)
    first.run(OUTCOME)
    assert writes(database)[1:] == [Write("k", "first", "second")]
