"""A real standby: a copy of a server that follows it, and can be promoted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from resumer_daemon.embedded.cluster import Account, account_for, spawn
from resumer_daemon.embedded.files import WorkFolder, find_binaries, short_parent, usable_by
from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness.eventually import eventually_sync
from tests.harness.server import binaries

PORT = 5433  # of a Unix socket in a folder of its own


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows another one, read-only until it is promoted."""

    folder: Path

    def url(self, database: str) -> str:
        """Return the address of a database on it."""
        return make_conninfo(host=str(self.folder), port=PORT, user="postgres", dbname=database)

    def promote(self) -> None:
        """Make it take writes; returns when it does."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def answers(self) -> bool:
        """Tell whether it can be read."""
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def following(primary: EmbeddedPostgres) -> Iterator[Standby]:
    """Run a standby of a server, with everything that was committed there."""
    account = account_for(None)
    work = WorkFolder(account, short_parent(account))
    programs = usable_by(account, find_binaries(binaries()), work.path)
    data = work.path / "data"
    _copy(primary, programs, data, account)
    # no fewer connections than the primary has: else it would not let itself be read
    command = [programs / "postgres", "-D", data, "-k", work.path, "-h", "", "-p", PORT,
               "-c", "fsync=off", "-c", "max_connections=200"]  # fmt: skip
    with (work.path / "log").open("wb") as log:
        process = spawn([str(part) for part in command], account, (), log)
    try:
        standby = Standby(work.path)
        eventually_sync(standby.answers, of="the standby answers")
        yield standby
    finally:
        process.terminate()
        process.wait()
        work.remove()


def _copy(primary: EmbeddedPostgres, programs: Path, data: Path, account: Account) -> None:
    source = conninfo_to_dict(primary.url())
    place = ["-h", str(source["host"]), "-p", str(source.get("port", 5432)), "-U", "postgres"]
    subprocess.run(
        [programs / "pg_basebackup", *place, "-D", data, "-R", "-c", "fast", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
        **account.switch(),
    )
