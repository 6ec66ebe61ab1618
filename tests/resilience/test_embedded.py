"""The embedded server starts for anybody, keeps what it should, and is never left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from resumer_daemon.embedded.cluster import PostgresFailed
from resumer_daemon.embedded.files import PostgresNotFound, find_binaries
from resumer_daemon.embedded.server import EmbeddedPostgres
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
        ends: list[Callable[[], None]] = [
            server.stop,
            lambda: server.stop("immediate"),
            server.kill,
        ]
        for end in ends:
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


def test_a_plain_user_runs_it_as_himself():
    with tempfile.TemporaryDirectory() as open_to_all:
        place = Path(open_to_all)
        place.chmod(0o777)
        binaries = copied_programs(place)
        run = subprocess.run(
            [sys.executable, "-c", AS_PLAIN_USER, place / "data", binaries],
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.stdout == "nobody's server answers\n", run.stderr


def test_it_ends_when_its_parent_is_killed_and_is_swept_by_the_next():
    parent, folder, server = started_elsewhere("")
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    eventually_sync(lambda: is_gone(server), of="the server is gone")
    EmbeddedPostgres().close()
    eventually_sync(lambda: not folder.exists(), of="its folder is swept, by us or beside us")


def test_one_that_outlived_its_parent_is_ended_by_the_next():
    # As on systems where a child is not told of its parent's death.
    parent, folder, server = started_elsewhere("cluster._tie = lambda: None")
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    EmbeddedPostgres().close()
    eventually_sync(lambda: is_gone(server), of="the server is gone")
    eventually_sync(lambda: not folder.exists(), of="its folder is swept, by us or beside us")


def test_one_whose_parent_lives_is_not_swept():
    with EmbeddedPostgres() as server:
        EmbeddedPostgres().close()
        assert ask(server, "SELECT 1") == 1


def test_ctrl_c_in_the_terminal_is_for_the_daemon_first():
    with EmbeddedPostgres() as server:
        assert os.getsid(process_in(folder_of(server))) != os.getsid(0)


AS_PLAIN_USER = f"""
import os, sys
from pathlib import Path
import psycopg
from resumer_daemon.embedded.server import EmbeddedPostgres
if os.geteuid() == 0:
    os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
with EmbeddedPostgres(Path(sys.argv[1]), binaries=Path(sys.argv[2])) as server:
    with psycopg.connect(server.url()) as connection:
        connection.execute("SELECT 1")
        print("nobody's server answers")
"""

ELSEWHERE = """
import sys, psycopg
from resumer_daemon.embedded import cluster, server as embedded
{change}
server = embedded.EmbeddedPostgres()
server.start()
with psycopg.connect(server.url()) as connection:
    print(connection.info.host, flush=True)
sys.stdin.read()
"""


def started_elsewhere(change: str) -> tuple[subprocess.Popen[str], Path, int]:
    """Start a server in another process; return that process, the server's folder and its id."""
    script = ELSEWHERE.format(change=change)
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    return parent, folder, process_in(folder)


def copied_programs(place: Path) -> Path:
    """Copy PostgreSQL's programs with what they load, as an environment at `place` has them."""
    binaries = find_binaries(None)
    package = binaries.parent.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, place / "site-packages" / folder.name)
    return place / "site-packages" / package.name / "pginstall" / "bin"
