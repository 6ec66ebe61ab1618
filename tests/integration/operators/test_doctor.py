"""`doctor` on databases that are not well: each illness is found, and its remedy heals it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.config import Settings, load_settings
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store.doctor.finding import CheckResult
from resumer_daemon.store.doctor.report import run_checks
from resumer_daemon.store.migration_files import known
from resumer_daemon.store.triggers import switch
from tests.harness import Database, every_vintage
from tests.harness.database import give_rights, member_of
from tests.harness.running import running
from tests.harness.service import Rows, Service


@pytest.fixture
def bound(database: Database) -> Iterator[Database]:
    """The database as the daemon should see it."""
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as made:
        yield made


async def ill(database: Database, **settings: Any) -> dict[str, CheckResult]:
    """Return what is not well, by the name of the check."""
    found = await run_checks(load_settings(database_url=database.url, **settings))
    return {finding.check: finding for finding in found if finding.verdict != "ok"}


@every_vintage
async def test_a_database_that_is_as_it_should_be_is_healthy(bound: Database):
    assert await ill(bound) == {}


async def test_a_superuser_is_wrong_and_less_so_where_that_was_said(database: Database):
    found = await ill(database)
    assert (found["role"].verdict, found["functions"].verdict) == ("error", "warning")
    assert (await ill(database, allow_superuser=True))["role"].verdict == "warning"


async def test_a_right_that_is_missing_is_named_and_the_remedy_gives_it(
    bound: Database, database: Database
):
    database.run("REVOKE UPDATE (status) ON approval_requests FROM resumer_daemon")
    found = await ill(bound)
    assert set(found) == {"privileges"}
    assert "UPDATE on public.approval_requests" in found["privileges"].what
    remedy = found["privileges"].remedy
    assert "GRANT UPDATE (status, decided_at) ON public.approval_requests" in remedy
    database.run(remedy)
    assert await ill(bound) == {}


async def test_a_role_that_lacks_many_rights_is_one_finding(bound: Database, database: Database):
    with member_of(database, "resumer_reader") as reader:
        found = await run_checks(load_settings(database_url=reader.url))
        [lack] = [each for each in found if each.check == "privileges"]
        assert "more rights of resumer_daemon" in lack.what
        assert "GRANT resumer_daemon TO" in lack.remedy
        assert "unread" not in {each.check for each in found}


async def test_doctor_says_what_the_operator_s_role_cannot_read(
    bound: Database, database: Database
):
    with member_of(database, "resumer_operator") as operator:
        found = {each.check: each for each in await run_checks(_of(operator))}
        assert found["version"].verdict == "ok"
        assert "cannot check tables" in found["unread"].what
        assert "permission denied for table migrations" in found["unread"].what
        database.run(found["unread"].remedy.partition(";")[0])
        assert "unread" not in {each.check for each in await run_checks(_of(operator))}


def _of(database: Database) -> Settings:
    return load_settings(database_url=database.url)


@pytest.mark.parametrize("creator", ["PUBLIC", "resumer_operator"])
async def test_a_role_that_may_create_in_the_service_s_schema_is_a_warning(
    bound: Database, database: Database, creator: str
):  # C35
    database.run(f"GRANT CREATE ON SCHEMA public TO {creator}")
    found = await ill(bound)
    assert set(found) == {"creators"}
    assert found["creators"].verdict == "warning"
    assert creator in found["creators"].what
    database.run(found["creators"].remedy)
    assert await ill(bound) == {}


async def test_a_policy_that_hides_rows_is_wrong(bound: Database, database: Database):
    database.run("ALTER TABLE approval_requests ENABLE ROW LEVEL SECURITY")
    found = await ill(bound)
    assert "approval_requests" in found["row-level security"].what
    give_rights(database.url)
    assert await ill(bound) == {}


async def test_a_trigger_that_is_off_is_named_and_the_remedy_enables_it(
    bound: Database, database: Database
):
    database.run("ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update")
    found = await ill(bound)
    assert found["triggers"].verdict == "warning"
    assert "resumer_approval_update" in found["triggers"].what
    assert found["triggers"].remedy == "resumer-daemon migrate triggers on"
    assert await switch(database.url, on=True) == ["approval_requests"]
    assert await ill(bound) == {}


async def test_what_was_not_migrated_is_named(unmigrated: Database):
    found = await ill(unmigrated)
    assert list(found) == ["migrations"]
    assert found["migrations"].what == "the database is not migrated"
    assert found["migrations"].remedy == "resumer-daemon migrate up"


async def test_a_migration_that_is_missing_is_named(bound: Database, database: Database):
    name = known()[-1].name
    database.run("DELETE FROM resumer.migrations WHERE name = %s", name)
    assert name in (await ill(bound))["migrations"].what


async def test_a_column_of_another_type_is_named(bound: Database, database: Database):
    database.run("ALTER TABLE rules ALTER COLUMN rule_id TYPE uuid USING NULL")
    found = await ill(bound)
    assert "public.rules.rule_id: expected text, found uuid" in found["columns"].what


async def test_a_column_that_refuses_our_inserts_is_named_and_the_remedy_lets_them(
    bound: Database, database: Database
):
    database.run("ALTER TABLE step_executions ADD COLUMN tenant text NOT NULL")
    found = await ill(bound)
    assert "public.step_executions.tenant: expected NULL allowed" in found["columns"].what
    database.run(found["columns"].remedy)
    assert await ill(bound) == {}


async def test_settings_that_differ_from_the_control_row_are_named(bound: Database):
    found = await ill(bound, service_timezone="America/New_York", decision_guard="enforce")
    assert set(found) == {"control row", "decision guard"}
    assert "migrate up" in found["decision guard"].remedy


async def test_the_control_row_that_is_gone_is_put_back_by_the_remedy(
    bound: Database, database: Database
):
    database.run("DELETE FROM resumer.control")
    found = await ill(bound)
    assert found["control row"].verdict == "error"
    database.run(found["control row"].remedy)
    assert await ill(bound) == {}


async def test_what_is_imposed_on_writers_is_named(bound: Database, database: Database):
    name = sql.Identifier(database.name)
    with database.connect() as administrator:
        for setting in ("statement_timeout = '5s'", "temp_file_limit = '10MB'",
                        "session_replication_role = 'replica'"):  # fmt: skip
            administrator.execute(sql.SQL(f"ALTER DATABASE {{}} SET {setting}").format(name))
    found = await run_checks(load_settings(database_url=bound.url))
    imposed = {f.what: f.verdict for f in found if f.check == "writers"}
    assert imposed == {
        "everybody: statement_timeout = 5s": "warning",
        "everybody: temp_file_limit = 10MB": "warning",
        "everybody: session_replication_role = replica": "error",
    }


async def test_work_that_nobody_takes_and_incidents_are_named(bound: Database, database: Database):
    service = Service(database)
    with running(database):
        execution = service.incident()
    database.run("SELECT resumer.cancel(%s)", execution)  # which nobody takes
    database.run("UPDATE resumer.resume_requests SET due_at = due_at - interval '1 hour'")
    found = await ill(bound)
    assert (found["inbox"].verdict, found["incidents"].verdict) == ("error", "warning")


async def test_writers_in_another_zone_are_noticed(bound: Database, database: Database):
    rows = Rows.of(database)
    rows.approval(rows.execution())
    database.run(
        "UPDATE approval_requests SET status = 'approved',"
        " decided_at = clock_timestamp() AT TIME ZONE 'UTC' - interval '5 hours'"
    )
    found = await ill(bound)
    assert "-5.00 h" in found["writers' clocks"].what


async def test_a_listening_address_that_nobody_answers_is_a_warning(bound: Database):
    found = await ill(bound, listen_url="postgresql://127.0.0.1:1/nowhere")
    assert found["listen path"].verdict == "warning"


async def test_transactions_that_are_open_for_long_are_noticed(
    own_server: EmbeddedPostgres, own_database: Database, monkeypatch
):
    monkeypatch.setattr("resumer_daemon.store.doctor.server.LONG", 0.0)
    with own_database.connect() as other, other.transaction():
        other.execute("SELECT 1")
        assert (await ill(own_database))["oldest transaction"].verdict == "warning"


def _doctor(url: str, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", "--database-url", url, *options])
    return result.exit_code, result.stdout


def test_the_command_says_what_why_and_how_to_mend_it(bound: Database, database: Database):
    code, text = _doctor(bound.url)
    assert code == 0, text
    assert "0 of " in text
    database.run("DROP TRIGGER resumer_event_insert ON events")
    code, text = _doctor(bound.url)
    assert code == 1
    for part in ("missing: resumer_event_insert", "why", "remedy", "migrate up"):
        assert part in text


def test_programs_get_json(bound: Database, database: Database):
    assert json.loads(_doctor(bound.url, "--json")[1])["healthy"] is True
    database.run("DELETE FROM resumer.control")
    code, text = _doctor(bound.url, "--json")
    report = json.loads(text)
    assert (code, report["healthy"]) == (1, False)
    [gone] = [c for c in report["checks"] if c["verdict"] == "error"]
    assert set(gone) == {"check", "verdict", "what", "why", "remedy"}


def test_a_database_that_does_not_answer_is_exit_code_3():
    assert _doctor("postgresql://127.0.0.1:1/nowhere")[0] == 3
