"""The PostgreSQL that the tests run on: a given one, Docker's, or our own. And a standby of it."""

import gc
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, assert_never

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from resumer_daemon.embedded.cluster import Account, account_for, spawn
from resumer_daemon.embedded.files import WorkFolder, find_binaries, short_parent, usable_by
from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness.eventually import eventually_sync

Kind = Literal["given", "docker", "embedded"]

IMAGE = "postgres:18-alpine"
_CONTAINER = ["postgres", "-c", "fsync=off", "-c", "max_connections=200"]


@cache
def chosen() -> Kind:
    """Choose, once a run. A given server has no fallback: no answer from it is an error."""
    if given():
        return "given"
    return "docker" if _docker_answers() else "embedded"


def given() -> str | None:
    return os.environ.get("RESUMER_TEST_DATABASE_URL") or None


def binaries() -> Path | None:
    folder = os.environ.get("RESUMER_PG_BIN")
    return Path(folder) if folder else None


def described() -> str:
    """Say for the head of the report which one it is."""
    match chosen():
        case "given":
            return "the server of RESUMER_TEST_DATABASE_URL"
        case "docker":
            return f"a container of {IMAGE}"
        case "embedded":
            return "embedded"
        case other:
            assert_never(other)


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the address of the server's own database, as a superuser who may create others."""
    match chosen():
        case "given":
            yield _answering(given() or "")
        case "docker":
            from testcontainers.community.postgres import PostgresContainer

            with PostgresContainer(IMAGE, driver=None).with_command(_CONTAINER) as container:
                yield container.get_connection_url()
        case "embedded":
            with EmbeddedPostgres(binaries=binaries()) as server:
                yield server.url()
        case other:
            assert_never(other)


def _answering(url: str) -> str:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error as error:
        pytest.exit(f"RESUMER_TEST_DATABASE_URL: {str(error).strip()}", returncode=4)
    return url


def _docker_answers() -> bool:
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        # The client leaks its socket when nobody answers; collected here, it is not found later.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env(timeout=5)) as client:
                return bool(client.ping())
        except (DockerException, OSError):
            return False
        finally:
            gc.collect()


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
