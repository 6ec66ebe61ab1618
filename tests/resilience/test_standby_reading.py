"""Commands that only read work on a standby; a daemon whose commits hang says so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness import Database, eventually_sync
from tests.harness.running import process, running
from tests.harness.server import following
from tests.harness.service import Service, allow, ask

BEHIND = "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn"


@pytest.fixture
def there(own_server: EmbeddedPostgres, own_database: Database) -> Iterator[Database]:
    """A standby that has an execution, paused, and one that ended."""
    service = Service(own_database)
    service.workflow(ask(), allow())
    with running(own_database):
        service.paused()
        ended = service.paused()
        service.decide(service.asked(ended)[0], "approved")
        service.ended(ended)
    with following(own_server) as standby:
        found = Database(own_database.name, standby.url(own_database.name), own_database.vintage)
        [(at,)] = own_database.run("SELECT pg_current_wal_lsn()::text")
        eventually_sync(lambda: found.run(BEHIND, at) == [(False,)])
        yield found


# C56
def test_commands_that_only_read_work_on_a_standby(there: Database):
    [(execution,)] = there.run("SELECT id::text FROM workflow_executions WHERE status = 'paused'")
    commands = (
        "list", "stats", "ledger", "incidents", f"show {execution}", f"explain {execution}",
        f"simulate {execution}", "outbox list", "token list",
    )  # fmt: skip
    failed = {
        command: told.output
        for command in commands
        if (told := ask_for(command, there)).exit_code != 0
    }
    assert failed == {}


# C56
def test_commands_that_write_say_that_a_standby_takes_no_writes(there: Database):
    told = CliRunner().invoke(app, ["start", "flow"], env={"RESUMER_DATABASE_URL": there.url})
    assert told.exit_code == 3
    assert "read-only" in told.output


def ask_for(command: str, database: Database):
    return CliRunner().invoke(
        app, [*command.split(), "--json"], env={"RESUMER_DATABASE_URL": database.url}
    )


# C56
def test_the_exporter_works_on_a_standby(there: Database, tmp_path: Path):
    with process(there.url, tmp_path / "log", command="exporter") as exporter:
        eventually_sync(exporter.ready)
        eventually_sync(lambda: exporter.metric("resumer_db_up") == 1)
        eventually_sync(
            lambda: exporter.metric("resumer_paused_executions", reason="approval_required") == 1
        )


# C56
def test_a_daemon_whose_commits_hang_is_not_ready_and_says_why(
    own_server: EmbeddedPostgres, own_database: Database
):
    with running(own_database) as daemon:
        waits = ("ALTER SYSTEM SET synchronous_standby_names = 'gone'", "SELECT pg_reload_conf()")
        with own_database.connect() as administrator:
            for statement in waits:
                administrator.execute(statement)
        eventually_sync(lambda: daemon.get("/readyz")[0] == 503)
        _, text = daemon.get("/readyz")
        assert "synchronous standby" in json.loads(text)["reason"]
        assert daemon.get("/livez")[0] == 200
        with own_database.connect() as administrator:
            administrator.execute("ALTER SYSTEM RESET synchronous_standby_names")
            administrator.execute("SELECT pg_reload_conf()")
        eventually_sync(daemon.ready)
