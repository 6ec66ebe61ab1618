"""How long we wait for a server that has gone silent: a dead path and a stalled proxy look alike.

Keepalives do not notice a proxy that still answers for itself, and to cancel a query there waits
for the same dead path. So the socket is shut down: whoever waits for it is woken, and fails.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from resumer_daemon.errors import Unreachable

SILENCE = 20.0  # seconds for a transaction; the server ends a statement of ours after ten


@asynccontextmanager
async def answered(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Do what is inside within `SILENCE`, or hang up.

    Raises:
        Unreachable: The server did not answer in time; what was committed is not known.
    """
    silent = asyncio.Event()

    def give_up() -> None:
        silent.set()
        hang_up(connection)

    closing = asyncio.get_running_loop().call_later(SILENCE, give_up)
    try:
        yield
    except psycopg.Error as error:
        if silent.is_set():
            raise Unreachable(f"the database did not answer within {SILENCE:g} s") from error
        raise
    finally:
        closing.cancel()


def hang_up(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """Shut the socket down, from whatever thread; the connection itself notices by that."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)
