"""The primary is lost and a standby promoted; a server that only reads is no server to work on."""

from contextlib import ExitStack

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.errors import Unreachable
from resumer_daemon.store import session as store
from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.server import Standby, following
from tests.harness.service import Service, allow, ask

LAGS = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"


def both(database: Database, standby: Standby) -> str:
    """Return an address that leads to whichever of the two takes writes."""
    first, second = (conninfo_to_dict(url) for url in (database.url, standby.url(database.name)))
    return make_conninfo(
        host=f"{first['host']},{second['host']}",
        port=f"{first['port']},{second['port']}",
        user="postgres",
        dbname=database.name,
    )


def test_after_a_failover_the_daemon_goes_on_at_the_new_primary(
    own_server: EmbeddedPostgres, own_database: Database
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    with ExitStack() as stack:
        standby = stack.enter_context(following(own_server))
        there = Database(own_database.name, standby.url(own_database.name), own_database.vintage)
        address = Database(own_database.name, both(own_database, standby), own_database.vintage)
        daemon = stack.enter_context(running(address))
        execution = service.paused()
        [request] = service.asked(execution)
        eventually_sync(lambda: own_database.run(LAGS) == [(1,)], of="the standby has it all")
        own_server.kill()
        eventually_sync(lambda: not daemon.ready())
        assert daemon.get("/livez")[0] == 200
        standby.promote()
        Service(there).decide(request, "approved")
        assert Service(there).ended(execution)["result"] == "allowed"
        eventually_sync(lambda: daemon.ready() and daemon.metric("resumer_listener_up") == 1)
        assert daemon.metric("resumer_db_up") == 1


async def test_a_server_that_only_reads_is_taken_for_unreachable(
    own_server: EmbeddedPostgres, own_database: Database
):
    with following(own_server) as standby:
        with pytest.raises(Unreachable, match="read-only"):
            await store.Database(standby.url(own_database.name)).session()
        standby.promote()
        session = await store.Database(standby.url(own_database.name)).session()
        await session.connection.close()


def test_a_server_that_turns_read_only_is_left_and_taken_again(
    own_server: EmbeddedPostgres, own_database: Database
):
    service = Service(own_database)
    service.workflow(ask(), allow())
    name = psycopg.sql.Identifier(own_database.name)
    with running(own_database) as daemon:
        execution = service.paused()
        with own_database.connect() as administrator:
            administrator.execute(
                psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
                    name
                )
            )
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name LIKE 'resumer-%' AND pid <> pg_backend_pid()"
            )
            administrator.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE status = 'pending'"
            )
            eventually_sync(lambda: not daemon.ready())
            administrator.execute(
                psycopg.sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(
                    name
                )
            )
        assert service.ended(execution)["result"] == "allowed"
