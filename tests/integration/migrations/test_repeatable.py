"""Functions, views and triggers are applied again when their text changes, and only then."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.config import load_settings
from resumer_daemon.errors import MigrationError
from resumer_daemon.store import migrate, migration_history
from resumer_daemon.store.connection import connect
from resumer_daemon.store.doctor.report import run_checks
from resumer_daemon.store.migration_files import known
from tests.harness import Database, eventually_sync
from tests.harness.database import migrate_up
from tests.harness.dump import dumped
from tests.harness.running import running

FOLDER = Path(__file__).parents[3] / "migrations"
MENDED = """
CREATE OR REPLACE FUNCTION resumer.wake() RETURNS void LANGUAGE sql
AS $f$ SELECT pg_notify('resumer_wake', 'mended') $f$;
"""
SOURCE = "SELECT prosrc FROM pg_proc WHERE proname = 'wake'"
TRIGGERS = """
SELECT oid, tgname FROM pg_trigger
WHERE tgrelid = 'approval_requests'::regclass AND NOT tgisinternal ORDER BY 2
"""

Change = Callable[[str, str], None]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Let this program have another text of one migration."""

    def changed(name: str, more: str) -> None:
        listed = [replace(m, up=m.up + more.encode()) if m.name == name else m for m in known()]
        monkeypatch.setattr(migration_history, "known", lambda: listed)

    return changed


async def unapplied(database: Database) -> list[str]:
    async with await connect(database.url) as connection:
        return migration_history.unapplied(
            await migration_history.read_history(connection), "public"
        )


def test_every_file_is_listed_once():
    names = sorted(migration.name for migration in known())
    for direction in (".up.sql", ".down.sql"):
        files = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob(f"*{direction}")]
        assert sorted(file.removesuffix(direction) for file in files) == names
    undone = {
        path.with_name(path.name.replace(".up.", ".down.")) for path in FOLDER.rglob("*.up.sql")
    }
    assert undone == {*FOLDER.rglob("*.down.sql")}


def test_numbered_migrations_create_no_code_and_the_others_nothing_else():
    for migration in known():
        text = migration.up.decode()
        code = ("CREATE OR REPLACE", "CREATE TRIGGER", "COMMENT ON SCHEMA")
        assert any(each in text for each in code) == (migration.number is None)
        assert "CREATE TABLE" not in text or migration.number is not None


async def test_a_changed_function_is_applied_again_and_nothing_else(
    database: Database, change: Change
):
    [(before,)] = database.run(SOURCE)
    change("functions/notify", MENDED)
    assert await unapplied(database) == ["functions/notify"]
    shown = {entry.name: entry for entry in await migrate.status(database.url)}
    assert [name for name, entry in shown.items() if entry.changed] == ["functions/notify"]

    assert await migrate.up(database.url) == ["functions/notify"]
    [(after,)] = database.run(SOURCE)
    assert "mended" in after != before
    assert await unapplied(database) == []
    assert await migrate.up(database.url) == []
    again = {entry.name: entry for entry in await migrate.status(database.url)}
    moved = [name for name, entry in again.items() if entry.applied_at != shown[name].applied_at]
    assert moved == ["functions/notify"]


async def test_triggers_that_were_dropped_are_bound_again(database: Database):
    """As a service does it that creates a table anew; what is in the ledger and the queue stays."""
    before = dumped(database, "catalogue")
    database.run("ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_delete")
    assert await migrate.up(database.url) == []  # that one is there
    database.run("DROP TRIGGER resumer_approval_update ON approval_requests")
    database.run("INSERT INTO resumer.resume_requests (kind) VALUES ('start')")
    shown = await migrate.status(database.url)
    assert [entry.name for entry in shown if entry.changed] == ["triggers/approval_requests"]
    assert await unapplied(database) == []  # the reconciler covers the gap: a daemon may start

    assert await migrate.up(database.url) == ["triggers/approval_requests"]
    [(state,)] = database.run(
        "SELECT tgenabled FROM pg_trigger WHERE tgname = 'resumer_approval_delete'"
    )
    assert state == "D"
    database.run("ALTER TABLE approval_requests ENABLE TRIGGER resumer_approval_delete")
    assert dumped(database, "catalogue") == before
    assert database.run("SELECT count(*) FROM resumer.resume_requests") == [(1,)]
    assert await migrate.up(database.url) == []

    database.run("DROP TRIGGER resumer_event_insert ON events")
    await migrate.down(database.url)
    assert database.run("SELECT to_regnamespace('resumer')") == [(None,)]


DAMAGES = {
    "DROP FUNCTION resumer.approve": ["functions/decide"],
    "DROP FUNCTION resumer.pause(text, text, text)": ["functions/move"],
    "DROP VIEW resumer.lag": ["views"],
    "DROP VIEW resumer.notify_enabled; DROP FUNCTION resumer.find": [
        "functions/notify", "functions/executions"],
    "CREATE OR REPLACE FUNCTION resumer.wake() RETURNS void LANGUAGE sql"
    " SET search_path = pg_catalog, pg_temp AS 'SELECT'": ["functions/notify"],
    "ALTER FUNCTION resumer.explain(uuid) SECURITY INVOKER": ["functions/explain"],
    "ALTER FUNCTION resumer.find(text) RESET search_path": ["functions/executions"],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_dropped_or_changed_function_or_view_is_created_again(
    database: Database, damage: str
):
    before = dumped(database, "catalogue")
    database.run(damage)
    assert dumped(database, "catalogue") != before
    plan = await migrate.plan(database.url)
    again = [name for name in plan.migrations if name != "comments"]
    assert again == DAMAGES[damage]
    assert await unapplied(database) == []  # a daemon may start
    checks = await run_checks(load_settings(database_url=database.url))
    [code] = [check for check in checks if check.check == "code"]
    assert code.verdict == "error"

    assert await migrate.up(database.url) == [*plan.migrations]
    assert dumped(database, "catalogue") == before
    assert await migrate.up(database.url) == []


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_code_is_undone_too(database: Database, damage: str):
    database.run(damage)
    await migrate.down(database.url)
    assert database.run("SELECT to_regnamespace('resumer')") == [(None,)]


async def test_code_of_a_newer_program_is_not_compared(database: Database):
    database.run("DROP FUNCTION resumer.approve")
    database.run("UPDATE resumer.migrations SET version = '999', sha256 = 'x' WHERE number IS NULL")
    with pytest.raises(MigrationError, match="newer version"):
        await migrate.up(database.url)


def test_status_and_a_dry_run_show_what_was_changed(database: Database, change: Change):
    change("functions/notify", MENDED)
    before = dumped(database, "catalogue")
    up = CliRunner().invoke(app, ["migrate", "up", "--sql", "--database-url", database.url])
    assert MENDED.strip().removesuffix(";") in up.stdout
    assert up.stdout.count("COMMIT;") == 1
    status = CliRunner().invoke(app, ["migrate", "status", "--database-url", database.url])
    [line] = [line for line in status.stdout.splitlines() if "functions/notify" in line]
    assert "changed" in line
    assert dumped(database, "catalogue") == before
    database.run(up.stdout)
    assert "mended" in database.run(SOURCE)[0][0]
    up = CliRunner().invoke(app, ["migrate", "up", "--sql", "--database-url", database.url])
    assert up.stdout.strip() == ""


async def test_a_changed_file_of_triggers_creates_them_anew_as_they_were(
    database: Database, change: Change
):
    before = database.run(TRIGGERS)
    catalogue = dumped(database, "catalogue")
    database.run("ALTER TABLE approval_requests ENABLE TRIGGER resumer_approval_guard")
    database.run("ALTER TABLE approval_requests ENABLE ALWAYS TRIGGER resumer_approval_insert")
    database.run("ALTER TABLE events DISABLE TRIGGER resumer_event_insert")
    states = set(dumped(database, "catalogue")) - set(catalogue)
    assert len(states) == 3

    change("triggers/approval_requests", "-- a comment")
    assert await migrate.up(database.url) == ["triggers/approval_requests"]
    after = database.run(TRIGGERS)
    assert [name for _, name in after] == [name for _, name in before]
    assert not {oid for oid, _ in after} & {oid for oid, _ in before}
    assert set(dumped(database, "catalogue")) - set(catalogue) == states


async def test_code_is_applied_again_where_the_service_moved_to_another_schema(database: Database):
    database.run("CREATE SCHEMA service")
    for table in ("approval_requests", "workflow_executions", "workflows", "events", "rules"):
        database.run(f"ALTER TABLE {table} SET SCHEMA service")
    names = await migrate.up(database.url, "service")
    assert {"functions/decide", "views", "triggers/events"} - {*names} == {"views"}
    [(source,)] = database.run("SELECT prosrc FROM pg_proc WHERE proname = 'decide'")
    assert 'UPDATE "service".approval_requests' in source


async def test_an_older_program_does_not_bring_older_functions_back(
    database: Database, change: Change
):
    database.run("UPDATE resumer.migrations SET version = '999', sha256 = 'x' WHERE name = 'views'")
    before = dumped(database, "catalogue")
    for work in (migrate.up, migrate.down):
        with pytest.raises(MigrationError, match="newer version"):
            await work(database.url)
    assert dumped(database, "catalogue") == before
    assert await unapplied(database) == []


async def test_a_newer_program_that_changed_nothing_refuses_nobody(database: Database):
    database.run("UPDATE resumer.migrations SET version = '999.0'")
    assert await migrate.up(database.url) == []


async def test_of_code_that_fails_nothing_is_applied(database: Database, change: Change):
    before = dumped(database, "catalogue")
    change("functions/notify", MENDED)
    change("functions/explain", "SELECT 1 / 0;")
    with pytest.raises(MigrationError, match="functions/explain: division by zero"):
        await migrate.up(database.url)
    assert dumped(database, "catalogue") == before


def test_the_daemon_waits_until_changed_code_is_applied(database: Database, change: Change):
    change("functions/notify", MENDED)
    with running(database, listens=False, comes_up=False) as daemon:
        eventually_sync(lambda: daemon.address, of="its HTTP answers")
        eventually_sync(
            lambda: daemon.metric("resumer_database_errors_total"), of="it found what is changed"
        )
        assert not daemon.ready()
        migrate_up(database.url)
        eventually_sync(daemon.ready, of="the daemon is ready once all is applied")
