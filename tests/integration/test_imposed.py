"""What a role, a database or a full server imposes on our sessions: it costs time, no decision."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import sql

from resumer_daemon.store import database as store
from resumer_daemon.store.embedded import EmbeddedPostgres
from tests.harness import Database, eventually_sync
from tests.harness.database import Databases
from tests.harness.load import Load
from tests.harness.members import give_rights, member_of
from tests.harness.running import Running, running
from tests.harness.server import binaries
from tests.harness.service import Service, allow, ask

IMPOSED = {
    "statement_timeout": "100ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "100ms",
    "idle_session_timeout": "200ms",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "TimeZone": "America/New_York",
    "search_path": "nowhere",
    "enable_indexscan": "off",
}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def statement_timeout() -> str:
    """How long a statement may take that nobody gave more time."""
    return IMPOSED["statement_timeout"]


@pytest.fixture
def imposed_on(database: Database, statement_timeout: str) -> Iterator[Database]:
    """The database for a daemon on whose role everything is imposed that can be."""
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as login, database.connect() as administrator:
        [(name,)] = login.run("SELECT current_user")
        for setting, value in (IMPOSED | {"statement_timeout": statement_timeout}).items():
            administrator.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(name), sql.Identifier(setting), value
                )
            )
        yield login


@pytest.mark.parametrize("statement_timeout", ["1ms", "10ms", "100ms", "1s"])
def test_what_a_role_imposes_is_not_felt(service: Service, imposed_on: Database):
    with running(imposed_on, allow_superuser="false") as daemon, Load(service, 60) as load:
        load.check()
        # under load it may have looked each time before it was told; so once more, in the quiet
        eventually_sync(lambda: service.paused() and told(daemon) > 0)


def told(daemon: Running) -> float:
    return daemon.metric("resumer_wakeups_total", source="notify")


async def test_our_sessions_have_settings_of_their_own(imposed_on: Database):
    session = await store.Database(imposed_on.url).session()
    async with session.connection, session.transaction():
        cursor = await session.connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(IMPOSED)]
        )
        found: dict[str, str] = dict(await cursor.fetchall())
        cursor = await session.connection.execute("SHOW transaction_isolation")
        assert await cursor.fetchone() == ("read committed",)
    assert found.pop("enable_indexscan") == "off"  # a preference, which harms nobody
    assert found.pop("default_transaction_isolation") == "serializable"  # and is not asked
    assert found == {
        "statement_timeout": "10000",
        "lock_timeout": "2000",
        "idle_in_transaction_session_timeout": "30000",
        "idle_session_timeout": "0",
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "search_path": "pg_catalog, resumer, pg_temp",
    }


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
