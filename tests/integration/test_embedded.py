"""The embedded server starts for anybody, keeps what it should, and is never left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from resumer_daemon.store.embedded import EmbeddedPostgres
from resumer_daemon.store.pg_binaries import PostgresNotFound, find_binaries
from resumer_daemon.store.pg_cluster import PostgresFailed
from tests.harness import eventually_sync

NOBODY = 65534


def ask(server: EmbeddedPostgres, question: str) -> object:
    with closing(psycopg.connect(server.url())) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def folder_of(server: EmbeddedPostgres) -> Path:
    with closing(psycopg.connect(server.url())) as connection:
        return Path(connection.info.host)


def process_in(folder: Path) -> int:
    return int((folder / ".s.PGSQL.5432.lock").read_text().split()[0])


def is_gone(process: int) -> bool:
    """A zombie is gone too: its parent is only late to notice."""
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_throw_away_server_never_syncs_and_leaves_nothing():
    with EmbeddedPostgres(settings={"work_mem": "7MB"}) as server:
        assert ask(server, "SHOW fsync") == "off"
        assert ask(server, "SHOW work_mem") == "7MB"
        assert ask(server, "SHOW max_connections") == "200"
        assert ask(server, "SHOW listen_addresses") == ""
        folder = folder_of(server)
    assert not folder.exists()


def test_data_of_the_caller_is_kept_and_durable(tmp_path):
    data, port = tmp_path / "kept" / "postgres", free_port()
    with EmbeddedPostgres(data, port=port) as server:
        assert f"@127.0.0.1:{port}/" in server.url()
        assert ask(server, "SHOW fsync") == "on"
        with closing(psycopg.connect(server.url(), autocommit=True)) as connection:
            connection.execute("CREATE TABLE kept ()")
    with EmbeddedPostgres(data, port=port) as server:
        assert ask(server, "SELECT count(*) FROM kept") == 0


def test_an_initdb_that_was_killed_is_done_again(tmp_path):
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert ask(server, "SELECT 1") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["postgres"]


def test_the_address_and_the_data_survive_every_kind_of_end():
    with EmbeddedPostgres() as server:
        url = server.url()
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute("CREATE TABLE kept ()")
        for end in (server.stop, lambda: server.stop("immediate"), server.kill):
            end()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
            server.start()
            assert ask(server, "SELECT count(*) FROM kept") == 0
        server.restart()
        assert server.url() == url


def test_starting_and_stopping_twice_is_harmless():
    with EmbeddedPostgres() as server:
        server.start()
        assert ask(server, "SELECT 1") == 1
        server.stop()
        server.stop()


def test_a_port_that_is_taken_is_told(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(PostgresFailed, match="Address already in use"),
        EmbeddedPostgres(tmp_path / "postgres", port=other.getsockname()[1]),
    ):
        pytest.fail("it started")


def test_variables_meant_for_other_servers_are_not_heeded(monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with EmbeddedPostgres() as server:
        assert ask(server, "SHOW port") == "5432"


def test_a_folder_that_was_asked_for_has_no_fallback(tmp_path):
    with pytest.raises(PostgresNotFound, match="no postgres and initdb in"):
        EmbeddedPostgres(binaries=tmp_path).start()


def test_programs_below_a_private_home_are_used_without_opening_it(tmp_path):
    home = tmp_path / "home"
    binaries = copied_programs(home)
    home.chmod(0o700)
    before = {path: path.stat() for path in (home, *home.rglob("*"))}
    with EmbeddedPostgres(home / "data", binaries=binaries) as server:
        assert ask(server, "SELECT 1") == 1
    for path, stat in before.items():
        assert (path.stat().st_mode, path.stat().st_uid) == (stat.st_mode, stat.st_uid)


AS_PLAIN_USER = """
import os, sys
from pathlib import Path
import psycopg
from resumer_daemon.store.embedded import EmbeddedPostgres
if os.geteuid() == 0:
    os.setgroups([]), os.setgid({user}), os.setuid({user})
with EmbeddedPostgres(Path(sys.argv[1]) / "data", binaries=Path(sys.argv[2])) as server:
    with psycopg.connect(server.url()) as connection:
        print(connection.execute("SELECT 1").fetchone())
"""


def test_a_plain_user_runs_it_as_himself(tmp_path_factory, tmp_path):
    place = Path("/tmp") / tmp_path.name  # noqa: S108
