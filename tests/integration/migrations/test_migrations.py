"""Migrations leave the same every time, and nothing where they were undone."""

import asyncio
from collections import Counter
from dataclasses import replace

import psycopg
import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.errors import MigrationError
from resumer_daemon.store import migrate, migration_history
from resumer_daemon.store.migration_files import Migration, known
from tests.harness import Database, every_vintage
from tests.harness.database import DATA, Databases, migrate_up
from tests.harness.dump import Way, dumped, fitting_pg_dump
from tests.harness.service import Rows

NAMES = [migration.name for migration in known()]

both_ways = pytest.mark.parametrize("way", ["pg_dump", "catalogue"])


@every_vintage
@both_ways
async def test_up_down_and_up_again_leave_no_difference(unmigrated: Database, way: Way):
    if way == "pg_dump" and fitting_pg_dump(unmigrated) is None:
        pytest.skip("no pg_dump that fits the server")
    before = dumped(unmigrated, way)
    assert await migrate.up(unmigrated.url) == NAMES
    after = dumped(unmigrated, way)
    assert await migrate.down(unmigrated.url) == NAMES[::-1]
    assert dumped(unmigrated, way) == before
    await migrate.up(unmigrated.url)
    assert dumped(unmigrated, way) == after != before


@every_vintage
async def test_what_is_applied_is_not_applied_again(database: Database):
    assert await migrate.up(database.url) == []
    entries = await migrate.status(database.url)
    assert [entry.name for entry in entries if entry.applied_at] == NAMES


async def test_undoing_nothing_is_harmless(unmigrated: Database):
    assert await migrate.down(unmigrated.url) == []
    entries = await migrate.status(unmigrated.url)
    assert [entry.name for entry in entries if entry.applied_at is None] == NAMES


@pytest.mark.parametrize("vintage", ["v1", "v5"])
async def test_rows_of_the_service_outlive_up_and_down(unmigrated: Database):
    rows = Rows.of(unmigrated)
    rows.approval(rows.execution())
    select = "SELECT to_jsonb(e), to_jsonb(a) FROM workflow_executions e, approval_requests a"
    before = unmigrated.run(select)
    await migrate.up(unmigrated.url)
    await migrate.down(unmigrated.url)
    assert unmigrated.run(select) == before


@pytest.mark.parametrize("vintage", ["v1"])
async def test_a_pause_column_that_was_there_before_stays_with_what_is_in_it(unmigrated: Database):
    unmigrated.run("ALTER TABLE workflow_executions ADD COLUMN paused_reason text DEFAULT 'mine'")
    Rows.of(unmigrated).execution()
    before = dumped(unmigrated, "catalogue")
    await migrate.up(unmigrated.url)
    await migrate.down(unmigrated.url)
    assert dumped(unmigrated, "catalogue") == before
    assert unmigrated.run("SELECT paused_reason FROM workflow_executions") == [("mine",)]


async def test_what_others_built_on_a_created_table_is_not_dropped_unasked(database: Database):
    database.run("CREATE VIEW report AS SELECT count(*) FROM approval_requests")
    with pytest.raises(MigrationError, match="0002_service_tables"):
        await migrate.down(database.url)
    assert database.run("SELECT * FROM report") == [(0,)]


@every_vintage
async def test_of_sixteen_migrators_at_once_each_migration_is_applied_by_one(unmigrated: Database):
    ups = await asyncio.gather(*(migrate.up(unmigrated.url) for _ in range(16)))
    assert Counter(name for names in ups for name in names) == Counter(NAMES)
    downs = await asyncio.gather(*(migrate.down(unmigrated.url) for _ in range(16)))
    assert Counter(name for names in downs for name in names) == Counter(NAMES)


async def test_a_migration_that_was_changed_after_it_was_applied_is_refused(database: Database):
    database.run("UPDATE resumer.migrations SET sha256 = 'another' WHERE number = 4")
    before = dumped(database, "catalogue")
    with pytest.raises(MigrationError, match="0004_tables was changed"):
        await migrate.up(database.url)
    assert dumped(database, "catalogue") == before


@pytest.mark.parametrize("work", [migrate.up, migrate.down])
async def test_a_database_of_a_newer_version_is_refused(database: Database, work):
    database.run("INSERT INTO resumer.migrations VALUES ('9999_from_the_future', 9999, 'x', '0')")
    before = dumped(database, "catalogue")
    with pytest.raises(MigrationError, match="newer version"):
        await work(database.url)
    assert dumped(database, "catalogue") == before


async def test_a_migration_that_fails_changes_nothing(unmigrated: Database, monkeypatch):
    await migrate.up(unmigrated.url)
    before = dumped(unmigrated, "catalogue")
    broken = Migration(9000, "9000_broken", b"CREATE TABLE resumer.half (); SELECT 1 / 0", b"")
    with_broken = [*known(), broken]  # a number that comes later is applied last
    monkeypatch.setattr(migration_history, "known", lambda: with_broken)
    with pytest.raises(MigrationError, match="9000_broken: division by zero"):
        await migrate.up(unmigrated.url)
    assert dumped(unmigrated, "catalogue") == before
    assert not unmigrated.run("SELECT 1 FROM resumer.migrations WHERE number = 9000")


async def test_an_undo_that_fails_changes_nothing(database: Database, monkeypatch):
    *older, newest = known()
    broken = replace(newest, down=newest.down + b"; SELECT 1 / 0")
    monkeypatch.setattr(migration_history, "known", lambda: [*older, broken])
    before = dumped(database, "catalogue")
    with pytest.raises(MigrationError, match="division by zero"):
        await migrate.down(database.url)
    assert dumped(database, "catalogue") == before
    assert database.run("SELECT 1 FROM resumer.migrations WHERE name = %s", newest.name)


def _dry_run(database: Database, direction: str) -> str:
    command = ["migrate", direction, "--sql", "--database-url", database.url]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_dry_run_prints_what_would_run_and_changes_nothing(unmigrated: Database):
    before = dumped(unmigrated, "catalogue")
    printed = _dry_run(unmigrated, "up")
    assert all(m.script("public").strip().removesuffix(";") in printed for m in known())
    assert _dry_run(unmigrated, "down").strip() == ""
    assert dumped(unmigrated, "catalogue") == before
    migrate_up(unmigrated.url)
    assert _dry_run(unmigrated, "up").strip() == ""
    assert all(m.undo("public").strip() in _dry_run(unmigrated, "down") for m in known())


@every_vintage
def test_what_a_dry_run_prints_does_the_same_when_it_is_run_by_hand(
    unmigrated: Database, databases: Databases
):
    before = dumped(unmigrated, "catalogue")
    with databases.fresh(unmigrated.vintage, migrated=True) as migrated:
        unmigrated.run(_dry_run(unmigrated, "up"))
        assert dumped(unmigrated, "catalogue") == dumped(migrated, "catalogue")
        unmigrated.run(_dry_run(migrated, "down"))
        assert dumped(unmigrated, "catalogue") == before


def test_a_dry_run_refuses_what_the_run_would_refuse(database: Database):
    database.run("INSERT INTO resumer.migrations VALUES ('9999_from_the_future', 9999, 'x', '0')")
    for direction in ("up", "down"):
        command = ["migrate", direction, "--sql", "--database-url", database.url]
        assert CliRunner().invoke(app, command).exit_code == 1, direction


@pytest.mark.parametrize("schema", ["service", 'Our "service"; --'])
@every_vintage
async def test_the_service_may_live_in_another_schema(unmigrated: Database, schema: str):
    if unmigrated.vintage != "empty":
        unmigrated.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    name = psycopg.sql.Identifier(schema).as_string()
    unmigrated.run(f"CREATE SCHEMA {name}")
    home = f"SET search_path = {name};"
    if unmigrated.vintage != "empty":
        unmigrated.run(home + (DATA / f"schema_{unmigrated.vintage}.sql").read_text())
    before = dumped(unmigrated, "catalogue")

    assert await migrate.up(unmigrated.url, schema) == NAMES
    assert unmigrated.run("SELECT to_regclass('public.approval_requests')") == [(None,)]
    unmigrated.run(f"ALTER DATABASE {unmigrated.name} SET search_path = {name}")
    rows = Rows.of(unmigrated)
    rows.approval(rows.execution(), request_id="one")
    unmigrated.run("SELECT resumer.approve('one')")
    requests = "SELECT decision FROM resumer.requests WHERE kind = 'approval'"
    assert unmigrated.run(requests) == [("approved",)]

    assert await migrate.down(unmigrated.url, schema) == NAMES[::-1]
    unmigrated.run(f"ALTER DATABASE {unmigrated.name} RESET search_path")
    assert dumped(unmigrated, "catalogue") == before


@pytest.mark.parametrize("vintage", ["v1"])
async def test_columns_that_were_added_stay_where_that_is_said(unmigrated: Database):
    before = set(dumped(unmigrated, "catalogue"))
    await migrate.up(unmigrated.url)
    await migrate.down(unmigrated.url, keep_columns=True)
    kept = set(dumped(unmigrated, "catalogue")) - before
    assert len(kept) == 7
    assert all("added by resumer-daemon" in line for line in kept)
    await migrate.up(unmigrated.url)
    await migrate.down(unmigrated.url)
    assert set(dumped(unmigrated, "catalogue")) == before
