"""What a connection of ours sends to the server, message by message."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

from psycopg.pq import Trace

from resumer_daemon.store.connection import Connection

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
