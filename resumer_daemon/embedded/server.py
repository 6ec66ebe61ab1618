"""A private PostgreSQL server for `dev` and for tests.

Starting and stopping block: call them before the event loop runs, or from a thread that lives as
long as the server, because Linux ends the server with the *thread* that started it.
"""

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode

import psycopg

from resumer_daemon.embedded.cluster import (
    PostgresFailed,
    account_for,
    make_cluster,
    seen_by,
    spawn,
)
from resumer_daemon.embedded.files import (
    WorkFolder,
    fast_parent,
    find_binaries,
    short_parent,
    usable_by,
)

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """The directory of the socket, and the port on the loopback interface or None."""

    folder: Path
    tcp_port: int | None

    @property
    def port(self) -> int:
        """The port, which is also part of the socket's name."""
        return self.tcp_port or 5432

    def url(self, database: str) -> str:
        """Return the URL for other programs."""
        if self.tcp_port is None:
            return self.socket_url(database)
        return f"postgresql://postgres@{LOOPBACK}:{self.tcp_port}/{quote(database, safe='')}"

    def socket_url(self, database: str) -> str:
        """Return the URL by the socket: another server may use the port."""
        # The port is given because libpq would otherwise use PGPORT.
        place = urlencode({"host": self.folder, "port": self.port}, quote_via=quote)
        return f"postgresql://postgres@/{quote(database, safe='')}?{place}"

    def flags(self) -> list[str]:
        """Return the arguments with which `postgres` listens at this address only."""
        host = "" if self.tcp_port is None else LOOPBACK
        return ["-k", str(self.folder), "-h", host, "-p", str(self.port)]


Mode = Literal["smart", "fast", "immediate"]

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_PATIENCE = 60.0
_POLL = 0.02
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_THROW_AWAY = {"fsync": "off", "max_connections": "200", "max_wal_size": "256MB"}
_TAIL = 20
# After a kill, the children of the old server keep its shared memory until they exit.
_TRANSIENT = "pre-existing shared memory block"


class EmbeddedPostgres:
    """One server. As a context manager it starts, and at the end stops and is deleted.

    Args:
        data: the data directory, with default durability. None: temporary and never synced.
        port: listen on 127.0.0.1 too. None: only on a Unix socket in a private directory.
        settings: more settings of the server.
        binaries: the directory of its programs. None: find them.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        port: int | None = None,
        settings: Mapping[str, str] = _NO_SETTINGS,
        binaries: Path | None = None,
    ) -> None:
        self._given = binaries
        self._durable = data is not None
        self._settings = settings if self._durable else {**_THROW_AWAY, **settings}
        self._account = account_for(data)
        self._folders = [WorkFolder(self._account, short_parent(self._account))]
        self._work = self._folders[0].path
        self._log = self._work / "log"
        self._address = Address(self._work, port)
        if data is None:
            self._folders.append(WorkFolder(self._account, fast_parent(self._account)))
            data = self._folders[1].path / "data"
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # an interrupted start must leave no server
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database; it stays the same after a restart."""
        return self._address.url(database)

    def start(self) -> None:
        """Start the server and return when it responds. Starting twice is harmless.

        Raises:
            PostgresNotFound: There are no programs to start.
            PostgresFailed: It ended or did not respond. The message ends with its log.
        """
        if self._process is not None and self._process.poll() is None:
            return
        programs = usable_by(self._account, find_binaries(self._given), self._work)
        make_cluster(self._data, self._account, programs, durable=self._durable)
        deadline = time.monotonic() + _PATIENCE
        self._process = self._spawn(programs)
        while not self._responds():
            if self._process.poll() is not None:
                if _TRANSIENT not in self._log_tail():
                    raise PostgresFailed(f"PostgreSQL ended:\n{self._log_tail()}")
                self._process = self._spawn(programs)
            if time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL does not respond:\n{self._log_tail()}")
            time.sleep(_POLL)

    def stop(self, mode: Mode = "fast") -> None:
        """Stop the server and return when it has exited. Stopping twice is harmless.

        The data stays. `fast` ends sessions, `smart` waits for them, `immediate` needs a recovery
        at the next start.
        """
        self._end(_SIGNALS[mode])

    def kill(self) -> None:
        """End the server as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self, mode: Mode = "fast") -> None:
        """Stop and start, with the same data and address."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and delete everything temporary."""
        self.stop()
        for folder in self._folders:
            folder.remove()

    def _spawn(self, programs: Path) -> subprocess.Popen[bytes]:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with seen_by(self._account, self._data) as (data, handed), self._log.open("wb") as log:
            command = [str(programs / "postgres"), "-D", data, *self._address.flags(), *settings]
            return spawn(command, self._account, handed, log)

    def _responds(self) -> bool:
        # By its own socket: on the port an older server may respond while this one fails.
        try:
            psycopg.connect(self._address.socket_url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL:])

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None
