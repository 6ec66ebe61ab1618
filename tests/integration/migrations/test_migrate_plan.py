"""`migrate plan` says what `migrate up` does, and `migrate up` refuses what would harm others."""

import asyncio
import json
import re
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.config import load_settings
from resumer_daemon.errors import NoServiceSchema, PlanRefused
from resumer_daemon.store import migrate, migration_history
from resumer_daemon.store.connection import connect
from resumer_daemon.store.doctor.report import run_checks
from resumer_daemon.store.migration_plan import MigrationPlan
from resumer_daemon.store.service_schema import probe
from tests.harness import Database, every_vintage
from tests.harness.database import member_of
from tests.harness.dump import dumped

v1 = pytest.mark.parametrize("vintage", ["v1"])
both = pytest.mark.parametrize("vintage", ["v1", "v5"])

OBJECTS = """
SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'index' END, c.relname::text
FROM pg_class c
WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'v', 'i')
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
UNION ALL SELECT 'domain', typname FROM pg_type
WHERE typnamespace = 'resumer'::regnamespace AND typtype = 'd'
UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'resumer'::regnamespace
UNION ALL SELECT 'schema', 'resumer'
"""
ON_TABLES = """
SELECT 'column', attname::text, attrelid::regclass::text FROM pg_attribute
WHERE attrelid::regclass::text IN ('workflow_executions', 'approval_requests', 'events')
  AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'trigger', tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'index', c.relname, i.indrelid::regclass::text FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
"""
FILES = "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace"

# locks for which somebody waits who reads or writes rows
STRONG = """
SELECT c.relname::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
MODES = {"AccessExclusiveLock": "ACCESS EXCLUSIVE", "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE"}
DECLARED = re.compile(r"-- lock: (ACCESS EXCLUSIVE|SHARE ROW EXCLUSIVE) on (\w+) ")


async def invoke(database: Database, *command: str) -> tuple[int, str]:
    arguments = ["migrate", *command, "--database-url", database.url]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, result.output


async def planned(database: Database) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((await invoke(database, "plan", "--json"))[1])
    return document


async def applied(database: Database) -> list[str]:
    async with await connect(database.url) as connection:
        return [*await migration_history.read_history(connection)]


def taken(connection: psycopg.Connection[Any], script: str) -> set[tuple[str, str]]:
    """Run a transaction, and return the strongest lock that it had on each table at its end."""
    connection.execute(script.encode().removesuffix(b"COMMIT;\n"))
    held: dict[str, str] = {}
    for table, mode in connection.execute(STRONG):
        held[table] = "AccessExclusiveLock" if held.get(table) == "AccessExclusiveLock" else mode
    connection.execute("COMMIT")
    return {(MODES[mode], table) for table, mode in held.items()}


@every_vintage
async def test_a_plan_is_what_the_migration_does(unmigrated: Database):
    existing = {row[2] for row in unmigrated.run(ON_TABLES)}
    before, files = unmigrated.run(ON_TABLES), unmigrated.run(FILES)
    catalogue = dumped(unmigrated, "catalogue")
    plan = await planned(unmigrated)
    assert dumped(unmigrated, "catalogue") == catalogue
    assert plan["refused"] is False

    assert await migrate.up(unmigrated.url) == plan["migrations"]
    objects = {(kind, name) for kind, names in plan["creates"].items() for name in names}
    assert objects == set(unmigrated.run(OBJECTS))
    added = {row for row in set(unmigrated.run(ON_TABLES)) - set(before) if row[2] in existing}
    tables = [table for table in plan["tables"] if not table["created"]]
    assert added == {
        (kind, name, table["name"])
        for table in tables
        for kind, names in (("column", "columns"), ("trigger", "triggers"), ("index", "indexes"))
        for name in table[names]
    }
    assert set(files) <= set(unmigrated.run(FILES))  # a table that is rewritten has another file
    again = await planned(unmigrated)
    assert (again["migrations"], again["creates"], again["tables"]) == ([], {}, [])


@both
async def test_each_transaction_locks_what_its_head_says_and_one_table_of_the_service_at_most(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
):
    async def check(direction: migrate.Direction) -> set[tuple[str, str]]:
        seen = set()
        with unmigrated.connect() as connection:
            for script in await migrate.pending(unmigrated.url, direction):
                locks = taken(connection, script)
                assert locks == set(DECLARED.findall(script)), script
                assert len(locks) <= 1
                seen |= locks
        return seen

    expected = {("SHARE ROW EXCLUSIVE", table) for table in ("approval_requests", "events")}
    executions = "ACCESS EXCLUSIVE" if unmigrated.vintage == "v1" else "SHARE ROW EXCLUSIVE"
    assert await check("up") >= expected | {(executions, "workflow_executions")}
    unmigrated.run("UPDATE resumer.migrations SET sha256 = 'x' WHERE number IS NULL")
    assert {mode for mode, _ in await check("up")} == {"ACCESS EXCLUSIVE"}
    assert {mode for mode, _ in await check("down")} == {"ACCESS EXCLUSIVE"}


@v1
async def test_a_publication_that_would_carry_our_tables_is_refused_unless_allowed(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
):
    unmigrated.run("CREATE PUBLICATION everything FOR ALL TABLES")
    before = dumped(unmigrated, "catalogue")
    code, text = await invoke(unmigrated, "plan")
    assert code == 1
    assert "publication everything: all tables" in text
    code, text = await invoke(unmigrated, "up")
    assert code == 1
    assert "--allow-published" in text
    assert dumped(unmigrated, "catalogue") == before

    assert (await invoke(unmigrated, "up", "--allow-published"))[0] == 0
    unmigrated.run("UPDATE resumer.migrations SET sha256 = 'x' WHERE name = 'views'")
    assert await migrate.up(unmigrated.url) == ["views"]  # nothing that is replicated


@both
async def test_a_published_table_is_refused_where_a_column_is_added_to_it(unmigrated: Database):
    unmigrated.run("CREATE PUBLICATION parts FOR TABLE workflow_executions, events")
    plan = await planned(unmigrated)
    [found] = [remark for remark in plan["remarks"] if remark["kind"] == "publication"]
    assert found["verdict"] == ("refused" if unmigrated.vintage == "v1" else "note")
    assert plan["refused"] == (unmigrated.vintage == "v1")
    unmigrated.run("ALTER PUBLICATION parts DROP TABLE workflow_executions")
    assert await migrate.up(unmigrated.url)


@every_vintage
@pytest.mark.parametrize(
    "command",
    ["plan", "up", "up --sql", "repair", "down --yes", "down --sql", "grants", "grants --sql",
     "triggers off"],
)  # fmt: skip
async def test_a_schema_that_does_not_exist_is_refused_in_one_sentence(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setenv("RESUMER_SERVICE_SCHEMA", "nope")
    before = dumped(unmigrated, "catalogue")
    code, text = await invoke(unmigrated, *command.split())
    sentence = (
        'error: schema "nope" does not exist: set RESUMER_SERVICE_SCHEMA to the schema of the'
        " service's tables\n"
    )
    assert (code, text) == (1, sentence)
    assert dumped(unmigrated, "catalogue") == before


@v1
async def test_the_doctor_has_one_finding_for_a_schema_that_does_not_exist(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RESUMER_SERVICE_SCHEMA", "nope")
    checks = await run_checks(load_settings(database_url=database.url))
    [found] = [each for each in checks if each.verdict == "error"]
    assert (found.check, found.what) == ("service schema", 'schema "nope" does not exist')
    with pytest.raises(NoServiceSchema):
        async with await connect(database.url) as connection:
            await probe(connection, "nope")


WRONG = {
    "ALTER COLUMN status TYPE mood USING NULL": (
        "expected text, found public.mood (an enum)", "TYPE"),
    "ALTER COLUMN status TYPE state": ("expected text, found public.state (a domain over", "TYPE"),
    "DROP COLUMN duration_ms, ADD COLUMN duration_ms int GENERATED ALWAYS AS (1) STORED": (
        "found a column that the database computes", "DROP EXPRESSION"),
    "RENAME COLUMN completed_at TO ended_at": ("expected timestamp, found nothing", "create it"),
    "ADD COLUMN tenant text NOT NULL": ("found NOT NULL without a default", "DROP NOT NULL"),
}  # fmt: skip


@v1
@pytest.mark.parametrize("change", WRONG)
async def test_tables_that_do_not_fit_are_refused_before_anything_is_installed(
    unmigrated: Database, change: str
):
    found, remedy = WRONG[change]
    unmigrated.run("CREATE TYPE mood AS ENUM ('open', 'approved'); CREATE DOMAIN state AS text")
    unmigrated.run(f"ALTER TABLE workflow_executions {change}")
    before = dumped(unmigrated, "catalogue")
    with pytest.raises(PlanRefused, match=re.escape(found)) as refused:
        await migrate.up(unmigrated.url, allow_published=True)
    assert remedy in str(refused.value)
    assert dumped(unmigrated, "catalogue") == before


@v1
async def test_what_a_refusal_says_to_do_mends_it(unmigrated: Database):
    unmigrated.run(
        "CREATE TYPE mood AS ENUM ('pending'); CREATE DOMAIN state AS varchar(50);"
        " ALTER TABLE approval_requests ALTER COLUMN status TYPE mood USING 'pending'::mood;"
        " ALTER TABLE workflow_executions ALTER COLUMN result TYPE state,"
        " DROP COLUMN duration_ms, ADD COLUMN duration_ms int GENERATED ALWAYS AS (1) STORED,"
        " ALTER COLUMN context TYPE text"
    )
    plan: MigrationPlan = await migrate.plan(unmigrated.url)
    assert len(plan.refused) == 4
    for remark in plan.refused:
        unmigrated.run(remark.remedy)
    assert await migrate.up(unmigrated.url)


@v1
async def test_a_column_of_the_extension_citext_is_refused(unmigrated: Database):
    if not unmigrated.run("SELECT FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this server has no citext")
    unmigrated.run(
        "CREATE EXTENSION citext; ALTER TABLE approval_requests ALTER COLUMN status TYPE citext"
    )
    with pytest.raises(PlanRefused, match="expected text, found citext"):
        await migrate.up(unmigrated.url)


@v1
async def test_a_column_that_changes_later_does_not_keep_mended_functions_away(database: Database):
    database.run("ALTER TABLE rules ALTER COLUMN definition TYPE text")
    database.run("UPDATE resumer.migrations SET sha256 = 'x' WHERE name = 'functions/notify'")
    assert await migrate.up(database.url) == ["functions/notify"]


@v1
async def test_a_role_that_may_not_is_told_before_anything_is_installed(unmigrated: Database):
    with member_of(unmigrated) as nobody:
        with pytest.raises(PlanRefused) as refused:
            await migrate.up(nobody.url)
        assert f"GRANT CREATE ON DATABASE {unmigrated.name}" in str(refused.value)
        assert "does not own approval_requests, whose owner is postgres" in str(refused.value)
    assert not await applied(unmigrated)


@v1
async def test_what_matters_of_others_is_noted(unmigrated: Database):
    unmigrated.run(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        " CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        " CREATE TRIGGER aaa BEFORE UPDATE ON workflow_executions"
        " FOR EACH ROW EXECUTE FUNCTION f();"
        " CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION g();"
        " ALTER TABLE events ADD CONSTRAINT known CHECK (event_type <> '');"
        " ALTER TABLE approval_requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        " CREATE POLICY tenants ON approval_requests AS RESTRICTIVE FOR SELECT USING (true);"
        " CREATE RULE quiet AS ON DELETE TO events DO INSTEAD NOTHING"
    )
    try:
        plan = await planned(unmigrated)
    finally:
        unmigrated.run("DROP EVENT TRIGGER watch")
    assert plan["refused"] is False
    own = r"_updated_at$"  # triggers of the service
    remarks = [remark for remark in plan["remarks"] if not re.search(own, remark["name"])]
    assert {(r["kind"], r["name"]): r["detail"] for r in remarks} == {
        ("trigger", "workflow_executions.aaa"): "before update, runs public.f",
        ("event trigger", "watch"): "ddl_command_end, runs public.g",
        ("check constraint", "events.known"): "CHECK (((event_type)::text <> ''::text))",
        ("row security", "approval_requests"): "enabled, also for the owner",
        ("policy", "approval_requests.tenants"): "restrictive for SELECT to PUBLIC",
        ("rule", "events.quiet"): (
            "CREATE RULE quiet AS\n    ON DELETE TO public.events DO INSTEAD NOTHING;"
        ),
    }
