"""A proxy before the server, and what a connection of ours sends.

The proxy can stall with every socket open, or lose the response to a COMMIT.
"""

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Trace

from resumer_daemon.store.connection import Connection
from tests.harness.database import Database

COMMITTED = b"C\0\0\0\x0bCOMMIT\0"  # how the server says that a commit is done
LONGEST = 256  # bytes that are kept of what has passed: more than any words have


@dataclass
class Proxy:
    """Forwards, until it stalls. `lost` is set when the answer that was to be lost is."""

    host: str
    target: int
    listener: socket.socket
    lost: threading.Event = field(default_factory=threading.Event)
    _last_words: bytes | None = None
    _doomed: socket.socket | None = None
    _flows: threading.Event = field(default_factory=threading.Event)
    _clients: set[socket.socket] = field(default_factory=set)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def stall(self) -> None:
        """From now on nothing passes; peers still acknowledge what is sent to them."""
        self._flows.clear()

    def flow(self) -> None:
        """Forward what comes anew. A connection that lost something on its way stays silent."""
        self._flows.set()

    def lose_answer(self, sent: bytes) -> None:
        """Hang up on the next connection that sends this, once the server has committed it."""
        self._last_words = sent

    def to(self, database: Database) -> Database:
        """Return a database as it is seen through the proxy."""
        port = self.listener.getsockname()[1]
        return replace(database, url=make_conninfo(database.url, host="127.0.0.1", port=port))

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = self._connect()
                self._sockets += [here, there]
                self._clients.add(here)
                self._start(here, there)
                self._start(there, here)

    def close(self) -> None:
        """Close all; every thread ends by it."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _connect(self) -> socket.socket:
        if not self.host.startswith("/"):
            return socket.create_connection((self.host, self.target))
        made = socket.socket(socket.AF_UNIX)
        made.connect(f"{self.host}/.s.PGSQL.{self.target}")
        return made

    def _start(self, source: socket.socket, sink: socket.socket) -> None:
        thread = threading.Thread(target=self._pump, args=(source, sink))
        self._threads.append(thread)
        thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        before = b""
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._flows.is_set():
                    return  # and never again, with both sockets open
                if self._loses(source, sink, before, data):
                    source.shutdown(socket.SHUT_RDWR)
                    break
                sink.sendall(data)
                before = (before + data)[-LONGEST:]
            sink.shutdown(socket.SHUT_WR)

    def _loses(
        self, source: socket.socket, sink: socket.socket, before: bytes, data: bytes
    ) -> bool:
        """Tell whether this is the answer to the commit of who has sent the last words."""
        sends = source in self._clients  # what the server reads back to us has the words too
        if sends and self._last_words is not None and _brings(self._last_words, before, data):
            self._last_words, self._doomed = None, sink
        if source is not self._doomed or not _brings(COMMITTED, before, data):
            return False
        self.lost.set()
        return True


def _brings(words: bytes, before: bytes, data: bytes) -> bool:
    """Tell whether `data` has the words, or ends them: a part may have come `before`."""
    return words in (before + data)[max(0, len(before) - len(words) + 1) :]


@contextmanager
def proxying(database: Database) -> Iterator[Proxy]:
    """Run a proxy before the server of a database."""
    target = conninfo_to_dict(database.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(str(target["host"]), int(str(target.get("port", 5432))), listener)
        proxy.flow()
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            proxy.close()


SENT = re.compile(r"^F\t\d+\t(\w+)", re.MULTILINE)


@contextmanager
def sent(connection: Connection) -> Iterator[Counter[str]]:
    """Count the messages that are sent within the block, by kind; known when it ends."""
    counted: Counter[str] = Counter()
    with TemporaryFile("w+", errors="replace") as trace:
        connection.pgconn.trace(trace.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            yield counted
        finally:
            connection.pgconn.untrace()
        trace.seek(0)
        counted.update(SENT.findall(trace.read()))
