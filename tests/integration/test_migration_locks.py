"""A migrator meets other programs: it waits for a table a little at a time, and they go on."""

import asyncio

import pytest

from resumer_daemon.errors import MigrationError
from resumer_daemon.store import migrate, patience, place
from resumer_daemon.store.migrations import known
from resumer_daemon.store.statements import load
from tests.harness import Database, eventually
from tests.harness.rows import Rows

NAMES = [migration.name for migration in known()]

# the transactions of a migrator that are waiting for a lock of a table right now
WAITING = """
SELECT a.xact_start, a.pid FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
WHERE a.datname = current_database() AND a.application_name = 'resumer-daemon'
"""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(place, "LOCK_TIMEOUT", "100ms")


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
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute("SELECT FROM workflow_executions")
        with pytest.raises(MigrationError, match=r"0003_pause_columns.*lock"):
            await migrate.up(unmigrated.url)
    assert (await migrate.up(unmigrated.url))[0] == "0003_pause_columns"


async def test_a_migrator_that_never_ends_is_told_when_patience_ends(
    unmigrated: Database, monkeypatch
):
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    async with await unmigrated.aconnect() as holder, holder.transaction():
        await holder.execute(load("lock_migrations"))
        with pytest.raises(MigrationError, match="another migrator"):
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
