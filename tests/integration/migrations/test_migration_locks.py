"""A migrator meets other programs: it waits for a table a little at a time, and they go on."""

import asyncio

import psycopg
import pytest
from tenacity import AsyncRetrying, RetryCallState

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.errors import MigrationError
from resumer_daemon.store import migrate, schema_change
from resumer_daemon.store.connection import connect
from resumer_daemon.store.migration_files import known
from resumer_daemon.store.statements import load
from tests.harness import Database, eventually
from tests.harness.database import Databases
from tests.harness.service import Rows

NAMES = [migration.name for migration in known()]

# the transactions of a migrator that are waiting for a lock of a table right now
WAITING = """
SELECT a.xact_start, a.pid FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
WHERE a.datname = current_database() AND a.application_name = 'resumer-daemon'
"""


@pytest.mark.parametrize("vintage", ["v1"])
@pytest.mark.parametrize("table", ["approval_requests", "workflow_executions"])
async def test_behind_a_long_transaction_it_steps_back_and_writers_go_on(
    unmigrated: Database, table: str
):
    Rows.of(unmigrated).approval(Rows.of(unmigrated).execution())
    waits: set[object] = set()

    async def waited_again() -> bool:
        before = len(waits)
        waits.update(unmigrated.run(WAITING))
        return len(waits) > before

    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        migrator = asyncio.create_task(migrate.up(unmigrated.url))
        for _ in range(3):
            await eventually(waited_again, of="the migrator waits in another transaction")
            async with await unmigrated.aconnect() as writer:
                await writer.execute("SET statement_timeout = '10s'")
                await writer.execute(f"UPDATE {table} SET status = 'running'")
        assert not migrator.done()
    assert await migrator == NAMES


@pytest.mark.parametrize("vintage", ["v5"])
async def test_a_reader_of_executions_holds_nobody_up_where_no_column_is_missing(
    unmigrated: Database,
):
    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute("SELECT FROM workflow_executions")
        assert await migrate.up(unmigrated.url) == NAMES


@pytest.mark.parametrize("vintage", ["v1"])
async def test_a_table_that_is_never_free_is_told_when_patience_ends(
    unmigrated: Database, monkeypatch
):
    monkeypatch.setattr(schema_change, "PATIENCE", 0.1)
    reports = await unmigrated.aconnect(application_name="reports")
    async with reports as holder, holder.transaction():
        await holder.execute("SELECT FROM workflow_executions")
        with pytest.raises(MigrationError, match=r"0003_pause_columns.*lock") as refused:
            await migrate.up(unmigrated.url)
        [(pid,)] = await (await holder.execute("SELECT pg_backend_pid()")).fetchall()
    holder_of = f"held by: public.workflow_executions by pid {pid} (reports, role postgres, in a"
    assert holder_of in str(refused.value)
    assert "idle in transaction for" in str(refused.value)
    assert ": SELECT FROM workflow_executions" in str(refused.value)
    assert (await migrate.up(unmigrated.url))[0] == "0003_pause_columns"


async def test_a_migrator_that_never_ends_is_told_when_patience_ends(
    unmigrated: Database, monkeypatch
):
    monkeypatch.setattr(schema_change, "PATIENCE", 0.1)
    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute(load("migrate.lock"))
        with pytest.raises(MigrationError, match=r"another migrator.*held by: the lock of migr"):
            await migrate.up(unmigrated.url)
    assert await migrate.up(unmigrated.url) == NAMES


@pytest.mark.parametrize("vintage", ["v1"])
async def test_where_a_migrator_was_killed_the_next_goes_on(unmigrated: Database):
    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute("SELECT FROM workflow_executions")
        migrator = asyncio.create_task(migrate.up(unmigrated.url))
        kill = f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting"
        await eventually(lambda: unmigrated.run(kill), of="the migrator waits and is killed")
        with pytest.raises(MigrationError, match="terminating connection"):
            await migrator
    assert (await migrate.up(unmigrated.url))[0] == "0003_pause_columns"


@pytest.mark.parametrize("vintage", ["v1"])
async def test_each_wait_says_once_who_is_in_the_way(unmigrated: Database):
    said: list[str] = []

    async def told() -> bool:
        return bool(said)

    reports = await unmigrated.aconnect(application_name="reports")
    async with reports as holder, holder.transaction():
        await holder.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE")
        migrator = asyncio.create_task(migrate.up(unmigrated.url, tell=said.append))
        await eventually(told, of="somebody is named")
    await migrator
    assert "migration triggers/events" in said[0]
    assert "waiting for: public.events by pid" in said[0]
    assert "reports" in said[0]


async def test_a_prepared_transaction_in_the_way_is_named(
    own_server: EmbeddedPostgres, monkeypatch
):
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_prepared_transactions = 1")
    own_server.restart()
    monkeypatch.setattr(schema_change, "PATIENCE", 0.1)
    database = Databases(own_server.url(), "own").make("v1", migrated=False)
    database.run("BEGIN; LOCK TABLE events IN SHARE MODE; PREPARE TRANSACTION 'transfer'")
    with pytest.raises(MigrationError, match="by prepared transaction transfer for"):
        await migrate.up(database.url)


def test_locks_are_waited_for_a_small_part_of_the_time():
    """All who come later stand behind the wait, readers too; it was 66 % of the time."""
    state = RetryCallState(AsyncRetrying(), None, (), {})
    rests: list[float] = []
    while sum(rests) < schema_change.PATIENCE:
        state.attempt_number = len(rests) + 1
        rests.append(schema_change.REST(state))
    waited = len(rests) * int(schema_change.LOCK_TIMEOUT.removesuffix("ms")) / 1000
    assert 0.1 <= int(schema_change.LOCK_TIMEOUT.removesuffix("ms")) / 1000 <= 0.2
    assert rests[0] >= 0.3
    assert max(rests) <= 10
    assert waited < 0.04 * schema_change.PATIENCE


async def test_a_superuser_ends_an_autovacuum_that_is_in_the_way(database: Database):
    """A wait for a lock that lasts longer than deadlock_timeout cancels the worker."""
    shorter = (
        "current_setting('deadlock_timeout')::interval < current_setting('lock_timeout')::interval"
    )
    async with await connect(database.url) as connection, connection.transaction():
        await schema_change.prepare(
            connection, schema_change.MigrationTarget.of("public", keep_columns=False)
        )
        cursor = await connection.execute(f"SELECT {shorter}")
        assert await cursor.fetchone() == (True,)
