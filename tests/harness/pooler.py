"""The real pgbouncer in transaction mode between a daemon and the server.

`RESUMER_TEST_FIELD=1`: daemons of tests go through it, with the rights of our roles alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from resumer_daemon.embedded.cluster import account_for, spawn
from resumer_daemon.embedded.files import WorkFolder, short_parent
from tests.harness.database import Database, give_rights, member_of
from tests.harness.eventually import eventually_sync
from tests.harness.tools import tool

PORT = 6432  # of a Unix socket: it is a part of a name, and taken by nobody

# few backends, so that they are really shared
SETTINGS = """
[databases]
* = {server}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 300
max_db_connections = 5
server_login_retry = 1
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running pgbouncer; it logs in to the server as one role, whoever comes."""

    folder: Path

    def to(self, database: Database) -> Database:
        """Return a database as it is seen through the pooler."""
        name = quote(database.name, safe="")
        url = f"postgresql://anybody@/{name}?host={quote(str(self.folder), safe='')}&port={PORT}"
        return replace(database, url=url)


@contextmanager
def pooling(server: str) -> Iterator[Pooler]:
    """Run a pgbouncer in front of a server, as the role that its address names."""
    program = tool("pgbouncer")
    account = account_for(None)
    work = WorkFolder(account, short_parent(account))
    target = conninfo_to_dict(server)
    known = {name: target[name] for name in ("host", "port", "user", "password") if name in target}
    settings = work.path / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(
            server=" ".join(f"{name}='{value}'" for name, value in known.items()),
            port=PORT,
            folder=work.path,
        )
    )
    settings.chmod(0o644)
    log = work.path / "log"
    with log.open("wb") as output:
        process = spawn([program, str(settings)], account, (), output)
    try:
        pooler = Pooler(work.path)
        eventually_sync(
            lambda: process.poll() is None and _answers(work.path), of="pgbouncer answers"
        )
        yield pooler
    finally:
        process.terminate()
        process.wait()
        work.remove()


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(f"host={folder} port={PORT} dbname=postgres user=anybody").close()
    except psycopg.OperationalError:
        return False
    return True


def asked() -> bool:
    """Tell whether that was asked for."""
    return bool(os.environ.get("RESUMER_TEST_FIELD"))


@contextmanager
def leading(database: Database) -> Iterator[dict[str, str]]:
    """Yield the settings that lead a daemon to a database: straight, or as in the field."""
    if not asked():
        yield {"database_url": database.url}
        return
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as login, pooling(login.url) as pooler:
        yield {
            "database_url": pooler.to(database).url,
            "listen_url": login.url,
            "allow_superuser": "false",
        }
