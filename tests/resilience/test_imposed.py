"""Settings that a role or a database imposes on our sessions cost time, and no decision."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from typer.testing import CliRunner, Result

from resumer_daemon.cli.app import app
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store import session as store
from resumer_daemon.store.connection import Connection, connect
from resumer_daemon.store.doctor.server import OURS
from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.database import Databases, give_rights, member_of
from tests.harness.load import Load
from tests.harness.running import Running, running
from tests.harness.server import binaries
from tests.harness.service import Service, allow, ask

# C13: each setting that changes the text or the meaning of what is sent or read, or that ends us,
# with a hostile value
IMPOSED = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/New_York",
    "array_nulls": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "check_function_bodies": "off",
    "client_encoding": "LATIN1",
    "client_min_messages": "error",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "enable_indexonlyscan": "off",
    "enable_indexscan": "off",
    "enable_nestloop": "off",
    "enable_seqscan": "on",
    "escape_string_warning": "off",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "gin_fuzzy_search_limit": "1",
    "idle_in_transaction_session_timeout": "400ms",
    "idle_session_timeout": "400ms",
    "jit": "on",
    "lock_timeout": "1ms",
    "plan_cache_mode": "force_custom_plan",
    "quote_all_identifiers": "on",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "row_security": "off",
    "search_path": "nowhere",
    "standard_conforming_strings": "off",
    "statement_timeout": "400ms",
    "synchronous_commit": "off",
    "transaction_timeout": "400ms",
    "transform_null_equals": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
}
# there is one table access method only; who sets read-only wants that nobody writes;
# the others are of a transaction, and each BEGIN says them
NO_OTHER = {
    "default_transaction_read_only",
    "default_table_access_method",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
}
# only how fast it is, how much memory it takes, what is logged, or what we never do
HARMLESS = re.compile(
    r"application_name|backend_flush_after|client_connection_check_interval|commit_siblings"
    r"|constraint_exclusion|cpu_.*|createrole_self_grant|cursor_tuple_fraction|debug_.*"
    r"|default_(statistics_target|tablespace|text_search_config|toast_compression)|effective_.*"
    r"|enable_(?!seqscan|index|nestloop).*|file_copy_method"
    r"|force_parallel_mode|from_collapse_limit|geqo.*|gin_pending_list_limit|hash_mem_multiplier|icu_validation_level"
    r"|io_.*|jit_.*|join_collapse_limit|lc_.*|local_preload_libraries|log_.*|logical_.*|maintenance_.*"
    r"|max_parallel_(maintenance_)?workers(_per_gather)?|md5_.*|min_parallel_.*|parallel_.*|password_encryption"
    r"|random_page_cost|recursive_.*|scram_.*|seq_page_cost|stats_fetch_.*|synchronize_seqscans"
    r"|tcp_.*|temp_.*|timezone_abbreviations|trace_.*|vacuum_.*|wal_.*|work_mem"
)
# what still reaches a session of ours is told by the doctor
REACHING = {"session_replication_role": "replica", "temp_file_limit": "1MB"}
# how a writer's session may be set, and its decision counts all the same
WRITERS = (
    "DateStyle=German", "IntervalStyle=sql_standard", "TimeZone=Asia/Tokyo", "array_nulls=off",
    "bytea_output=escape", "client_encoding=LATIN1", "enable_indexscan=off", "enable_nestloop=off",
    "extra_float_digits=-15", "gin_fuzzy_search_limit=1", "plan_cache_mode=force_custom_plan",
    "quote_all_identifiers=on", "row_security=off", "search_path=nowhere", "synchronous_commit=off",
    "standard_conforming_strings=off", "transform_null_equals=on", "xmloption=document",
    "default_transaction_isolation=serializable",
)  # fmt: skip


@pytest.mark.parametrize(
    ("imposed", "ours"),
    [("off", "local"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")],
)
async def test_what_commits_wait_for_is_for_the_administrator_to_say_but_for_no_flush_at_all(
    database: Database, imposed: str, ours: str
):  # P19
    with database.connect() as administrator:
        administrator.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(
                sql.Identifier(database.name), imposed
            )
        )
    session = await store.Database(database.url).session()
    async with session.connection:
        shown = await session.connection.execute("SHOW synchronous_commit")
        assert await shown.fetchone() == (ours,)
        async with session.transaction():  # who is awake says it without a flush
            await session.run("inbox.suppress_notify")
            shown = await session.connection.execute("SHOW synchronous_commit")
            assert await shown.fetchone() == ("off",)


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def statement_timeout() -> str:
    """The imposed timeout of statements."""
    return IMPOSED["statement_timeout"]


@pytest.fixture
def imposed_on(database: Database, statement_timeout: str) -> Iterator[Database]:
    """The database for a daemon on whose role everything is imposed that can be."""
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as login, database.connect() as administrator:
        [(name,)] = login.run("SELECT current_user")
        for setting, value in (IMPOSED | {"statement_timeout": statement_timeout}).items():
            if (setting,) in known(database):
                administrator.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        sql.Identifier(name), sql.Identifier(setting), value
                    )
                )
        yield login


def known(database: Database) -> set[tuple[str]]:
    """Return the names of the settings that the server has."""
    return {*database.run("SELECT name FROM pg_settings"), ("exit_on_error",)}


@pytest.mark.parametrize("statement_timeout", ["1ms", "10ms", "100ms", "1s"])
def test_what_a_role_imposes_is_not_felt(service: Service, imposed_on: Database):
    with running(imposed_on, allow_superuser="false") as daemon, Load(service, 60) as load:
        load.check()
        # under load it may have looked each time before it was told; so once more, in the quiet
        eventually_sync(lambda: service.paused() and told(daemon) > 0)


def told(daemon: Running) -> float:
    return daemon.metric("resumer_wakeups_total", source="notify")


# C13
@every_vintage
def test_a_decision_counts_whatever_is_imposed_on_us(
    service: Service, imposed_on: Database, vintage
):
    with running(imposed_on, allow_superuser="false") as daemon:
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved", reason="naïve — \u0142")
        row = service.ended(execution)
        assert row["result"] == "allowed"
        assert row["resume_data"]["approval"]["reason"] == "naïve — \u0142"
        eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)
        assert daemon.metric("resumer_database_errors_total") == 0
    for command in ("list", "stats", "ledger", "incidents", f"explain {execution}", "doctor"):
        asked = ask_for(f"{command} --json", imposed_on)
        assert asked.exit_code == 0, f"{command}: {asked.output}"


def ask_for(command: str, database: Database) -> Result:
    """Run a command as the daemon's login."""
    settings = {"RESUMER_DATABASE_URL": database.url, "RESUMER_DATABASE_SSLMODE": "prefer"}
    return CliRunner().invoke(app, command.split(), env=settings)


# C13
def test_each_setting_that_a_session_may_change_is_known(database: Database):
    found = database.run(
        "SELECT name FROM pg_settings WHERE context = 'user' AND name NOT LIKE '%.%'"
    )
    unknown = {name for (name,) in found if not HARMLESS.fullmatch(name)}
    assert unknown - IMPOSED.keys() - NO_OTHER == set()
    assert {name.lower() for name in {*IMPOSED, *NO_OTHER}} - OURS == {
        "default_transaction_read_only", "transaction_deferrable", "transaction_isolation",
        "transaction_read_only",
    }  # fmt: skip
    assert {name for name in OURS if HARMLESS.fullmatch(name)} == set()


# C13
@pytest.mark.parametrize("kind", ["session", "connection"])
async def test_each_connection_of_ours_has_settings_of_its_own(
    imposed_on: Database, database: Database, kind: str
):
    if kind == "connection":
        async with await connect(imposed_on.url) as opened:
            found = await settings_of(opened)
    else:
        session = await store.Database(imposed_on.url).session()
        async with session.connection, session.transaction():
            found = await settings_of(session.connection)
    assert found["transaction_isolation"] == "read committed"
    assert found["transaction_deferrable"] == "off"
    of_sessions = re.compile(r"enable_.*|jit|plan_.*|search_path")
    left = of_sessions if kind == "connection" else re.compile("row_security")  # where none filters
    hostile = dict(
        database.run(
            "SELECT name, value FROM pg_settings"
            " JOIN jsonb_each_text(%s) AS h (name, value) USING (name)",
            Jsonb(IMPOSED),
        )
    )
    assert {
        name: found[name]
        for name, value in hostile.items()
        if found[name] == value and not left.fullmatch(name)
    } == {}


async def settings_of(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute("SELECT name, current_setting(name) FROM pg_settings")
    return dict(await cursor.fetchall())


# C13
@every_vintage
def test_no_setting_of_a_writer_loses_a_decision(database: Database, vintage):
    service = Service(database)
    execution = service.insert("workflow_executions", execution_id="e", status="paused")
    for setting in WRITERS:
        request = service.approval(execution, "pending")
        with database.connect(options=f"-c {setting}") as writer, writer.transaction():
            writer.execute(
                "UPDATE public.approval_requests SET status = 'approved', decided_at = now()"
                " WHERE request_id = %s",
                [request],
            )
            writer.execute(
                "UPDATE public.workflow_executions SET status = 'running' WHERE id = %s",
                [execution],
            )
            writer.execute("UPDATE public.workflow_executions SET status = 'paused'")
    assert service.decisions(execution) == [("approved", None)] * len(WRITERS)


# C13
def test_the_doctor_tells_what_is_imposed_on_us(imposed_on: Database, database: Database):
    [(name,)] = imposed_on.run("SELECT current_user")
    with database.connect() as administrator:
        for setting, value in REACHING.items():
            administrator.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(name), sql.Identifier(setting), value
                )
            )
    told = ask_for("doctor --json", imposed_on)
    found = [
        each for each in json.loads(told.stdout)["checks"] if each["check"] == "session settings"
    ]
    verdicts = {each["what"].rpartition(": ")[2]: each["verdict"] for each in found[:-1]}
    assert verdicts == {
        "session_replication_role = replica": "error", "temp_file_limit = 1MB": "warning",
    }  # fmt: skip
    assert f"role {name}: DateStyle = German" in found[-1]["what"]


def test_metrics_are_true_though_idle_sessions_are_ended(imposed_on: Database, database):
    with running(imposed_on, allow_superuser="false") as daemon:
        for _ in range(3):
            eventually_sync(lambda: daemon.metric("resumer_db_up") == 1)
            database.run(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = 'resumer-metrics' AND datname = current_database()"
            )


def test_a_full_server_is_waited_out(vintage):
    small = {"max_connections": "12", "superuser_reserved_connections": "1"}
    with EmbeddedPostgres(settings=small, binaries=binaries()) as server, ExitStack() as stack:
        database = Databases(server.url(), "full").make(vintage, migrated=True)
        service = Service(database)
        service.workflow(ask(), allow())
        give_rights(database.url)
        login = stack.enter_context(member_of(database, "resumer_daemon"))
        execution = service.start()
        others = fill(login)
        with running(login, listens=False, allow_superuser="false", comes_up=False) as daemon:
            eventually_sync(lambda: daemon.get("/readyz")[0] == 503)
            for other in others:
                other.close()
            service.until(execution, "paused")
            service.decide(service.asked(execution)[0], "approved")
            assert service.ended(execution)["result"] == "allowed"
            eventually_sync(lambda: daemon.listening)


def fill(database: Database) -> list[psycopg.Connection[tuple[object, ...]]]:
    """Take every connection that the server has for others than superusers."""
    taken = []
    while True:
        try:
            taken.append(psycopg.connect(database.url))
        except psycopg.OperationalError:
            return taken
