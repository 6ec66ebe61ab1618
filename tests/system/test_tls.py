"""A remote server must prove with its certificate that it is the named one."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from psycopg.conninfo import make_conninfo

from resumer_daemon.embedded.cluster import account_for
from resumer_daemon.embedded.files import WorkFolder, short_parent
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.errors import Unreachable
from resumer_daemon.store.connection import connect
from tests.harness.tools import tool


@dataclass(frozen=True, slots=True)
class Named:
    """A running server, and the root of its certificate."""

    port: int
    roots: Path

    def url(self, host: str, roots: Path | None = None) -> str:
        """Return its address under a name, to be verified with these roots."""
        return make_conninfo(
            host=host, hostaddr="127.0.0.1", port=self.port, user="postgres", dbname="postgres",
            sslmode="verify-full", sslrootcert=str(roots or self.roots),
        )  # fmt: skip


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Named]:
    """A server with a certificate for `localhost`, and the root of that certificate.

    It is Debian's, because the embedded server is built without TLS.
    """
    binaries = Path(tool("/usr/lib/postgresql/15/bin/postgres")).parent
    authority = trustme.CA()
    account = account_for(None)
    work = WorkFolder(account, short_parent(account))
    key, certificate = work.path / "key.pem", work.path / "certificate.pem"
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    key.chmod(0o600)
    os.chown(key, account.uid, account.gid)
    os.chown(certificate, account.uid, account.gid)
    authority.cert_pem.write_to_path(tmp_path / "roots.pem")
    settings = {"ssl": "on", "ssl_key_file": str(key), "ssl_cert_file": str(certificate)}
    try:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with EmbeddedPostgres(port=port, settings=settings, binaries=binaries):
            yield Named(port, tmp_path / "roots.pem")
    finally:
        work.remove()


async def test_tls_connects_only_to_the_named_server(named: Named, tmp_path: Path):
    connection = await connect(named.url("localhost"))
    assert connection.pgconn.ssl_in_use
    await connection.close()
    with pytest.raises(Unreachable, match="does not match host name"):
        await connect(named.url("db.internal"))
    others = tmp_path / "others.pem"
    trustme.CA().cert_pem.write_to_path(others)
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await connect(named.url("localhost", others))
