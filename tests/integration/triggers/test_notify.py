"""Triggers send a notification with a request, unless it is suppressed."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from psycopg import errors

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store.connection import connect, listen, receive_notifications
from tests.harness import Database, eventually_sync
from tests.harness.database import Databases
from tests.harness.inbox import Ear, Writer, a_writer, left, listening
from tests.harness.server import binaries
from tests.harness.service import Rows

DECIDE = "UPDATE approval_requests SET status = 'approved' WHERE id = %s"


@pytest.fixture
def approval(rows: Rows) -> UUID:
    return rows.approval()


@pytest.mark.parametrize(("mode", "heard"), [("on", 1), ("off", 0)])
def test_notify_follows_the_setting(
    database: Database, writer: Writer, ear: Ear, approval: UUID, mode: str, heard: int
):
    database.run("UPDATE resumer.control SET notify = %s", mode)
    writer.run(DECIDE, approval)
    assert ear.heard() == heard
    assert len(left(database)) == 1


def test_transaction_sends_one_notification(
    database: Database, writer: Writer, ear: Ear, rows: Rows
):
    with writer.connect() as connection, connection.transaction():
        for _ in range(20):
            connection.execute(DECIDE, [rows.approval()])
    assert ear.heard() == 1
    assert len(left(database)) == 20


def test_notify_is_suppressed_while_a_daemon_polls(
    database: Database, writer: Writer, ear: Ear, rows: Rows
):
    database.run("UPDATE resumer.control SET polling_until = clock_timestamp() + interval '1 hour'")
    writer.run(DECIDE, rows.approval())
    assert ear.heard() == 0
    database.run("UPDATE resumer.control SET polling_until = clock_timestamp()")
    writer.run(DECIDE, rows.approval())
    assert ear.heard() == 1
    assert len(left(database)) == 2


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_notify_is_not_suppressed_for_an_old_snapshot(
    database: Database, writer: Writer, ear: Ear, approval: UUID, level: str
):
    database.run("UPDATE resumer.control SET polling_until = 'infinity'")
    with writer.connect() as connection, connection.transaction():
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute(DECIDE, [approval])
    assert ear.heard() == 1


def test_late_commit_of_a_suppressed_writer_is_detected(
    database: Database, writer: Writer, approval: UUID
):
    """A daemon that stops polling waits for the transactions that may have read that it polls."""
    asleep = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::text::xid8"
    database.run("UPDATE resumer.control SET polling_until = 'infinity'")
    with writer.connect() as connection, connection.transaction():
        connection.execute(DECIDE, [approval])
        database.run("UPDATE resumer.control SET polling_until = '-infinity'")
        [(mark,)] = database.run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        assert database.run(asleep, mark) == [(False,)]
    # the server may have an open transaction of its own
    eventually_sync(lambda: database.run(asleep, mark) == [(True,)])
    assert len(left(database)) == 1


async def test_notification_in_one_packet_with_a_ping_is_received(database: Database):
    async with await connect(database.url, autocommit=True, name="ear") as connection:
        await listen(connection)
        database.run("SELECT pg_notify('resumer_wake', 'ping'), pg_notify('resumer_wake', '')")
        assert await receive_notifications(connection, 10.0) == ["ping", ""]


@pytest.fixture(scope="module")
def preparing() -> Iterator[Database]:
    """A database on a server where transactions can be prepared."""
    settings = {"max_prepared_transactions": "4"}
    with EmbeddedPostgres(binaries=binaries(), settings=settings) as server:
        yield Databases(server.url(), "preparing").make("empty", migrated=True)


def test_auto_does_not_notify_if_transactions_can_be_prepared(preparing: Database):
    approval = Rows.of(preparing).approval()
    with a_writer(preparing) as writer, writer.connect() as connection:
        with listening(preparing) as ear:
            connection.execute("BEGIN")
            connection.execute(DECIDE, [approval])
            connection.execute("PREPARE TRANSACTION 'decided'")
            assert (approval in [source for _, _, source, _ in left(preparing)]) is False
            connection.execute("COMMIT PREPARED 'decided'")
            assert ear.heard() == 0
        assert writer.warnings == []
    assert approval in [source for _, _, source, _ in left(preparing)]


def test_on_notifies_and_prevents_prepared_decisions(preparing: Database):
    preparing.run("UPDATE resumer.control SET notify = 'on'")
    rows = Rows.of(preparing)
    with a_writer(preparing) as writer, writer.connect() as connection:
        with listening(preparing) as ear:
            connection.execute(DECIDE, [rows.approval()])
            assert ear.heard() == 1
        connection.execute("BEGIN")
        connection.execute(DECIDE, [rows.approval()])
        with pytest.raises(errors.FeatureNotSupported):
            connection.execute("PREPARE TRANSACTION 'decided'")
    preparing.run("UPDATE resumer.control SET notify = 'auto'")


def test_auto_notifies_if_transactions_cannot_be_prepared(
    database: Database, writer: Writer, ear: Ear, approval: UUID
):
    if database.run("SHOW max_prepared_transactions") != [("0",)]:
        pytest.skip("the server that was given prepares transactions")
    assert database.run("SELECT notify FROM resumer.control") == [("auto",)]
    writer.run(DECIDE, approval)
    assert ear.heard() == 1
