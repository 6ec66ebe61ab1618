"""The ear: LISTEN on a connection of its own, and a proof now and then that it hears.

A pooler accepts LISTEN and delivers nothing; a dead network path looks like silence. So the
listener sends itself a notification at the start and after every quiet interval. What does not come
back in time ends the connection hard, for a polite close would wait for the same dead path.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.daemon.worker import Worker
from resumer_daemon.errors import ResumerError
from resumer_daemon.store.connection import (
    PING,
    Connection,
    connect,
    listen,
    ping,
    receive_notifications,
    sender,
)
from resumer_daemon.telemetry.logs import format_error
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

RECONNECT_FIRST, RECONNECT_LAST = 0.1, 30.0


READ = 0.01  # seconds to read what has come


class NotificationTimeout(ResumerError):
    """A ping did not come back."""


class Listener:
    """Wakes the worker when the database says so; without an ear the worker polls more often."""

    def __init__(
        self, settings: Settings, metrics: Metrics, wakeup: Wakeup, worker: Worker
    ) -> None:
        self._settings = settings
        self._url = settings.listening_url
        self._metrics = metrics
        self._wakeup = wakeup
        self._worker = worker
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen for ever; every loss is followed by a new connection and a full look."""
        self._poll_only()
        wait = RECONNECT_FIRST
        while True:
            try:
                async with self._connected() as connection:
                    await self._hear(connection)
            except (psycopg.Error, ResumerError, TimeoutError, OSError) as error:
                if self.listening.is_set():
                    wait = RECONNECT_FIRST
                log.warning("listener_lost", error=format_error(error), retry_in=round(wait, 1))
            self._poll_only()
            self._metrics.listener_reconnects.inc()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            wait = min(wait * 2, RECONNECT_LAST)

    def _poll_only(self) -> None:
        self._metrics.set_listen_mode("poll")
        self.listening.clear()
        self._worker.poll_interval = self._settings.poll_only_interval
        self._wakeup.set("reconcile")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await connect(self._url, autocommit=True, name="resumer-listener")
        try:
            yield connection
        finally:
            connection.pgconn.finish()

    async def _hear(self, connection: Connection) -> None:
        async with asyncio.timeout(self._settings.ping_deadline):
            await listen(connection)
        async with sender(connection, self._url) as by:
            await self._prove(connection, by)
        self._metrics.set_listen_mode("notify")
        self.listening.set()
        self._worker.poll_interval = self._settings.poll_interval
        self._wakeup.set("reconcile")  # what was said before we listened
        log.info("listening")
        while True:
            if not await _readable(connection, self._settings.ping_interval):
                await self._prove(connection, connection)
            async for note in connection.notifies(timeout=READ):
                if note.payload != PING:
                    self._wakeup.set("notify")

    async def _prove(self, connection: Connection, by: Connection) -> None:
        """Have a ping sent and hear it, or anything, within the deadline."""
        deadline = self._settings.ping_deadline
        closing = asyncio.get_running_loop().call_later(deadline * 2, connection.pgconn.finish)
        try:
            async with asyncio.timeout(deadline):
                await ping(by)
            heard = await receive_notifications(connection, deadline)
        finally:
            closing.cancel()
        if not heard:
            raise NotificationTimeout(
                f"no notification came back within {deadline} s; is a pooler between us?"
            )
        if set(heard) != {PING}:
            self._wakeup.set("notify")


async def _readable(connection: Connection, seconds: float) -> bool:
    """Wait until there is something to read; psycopg itself would look ten times a second."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), came.set)
    try:
        async with asyncio.timeout(seconds):
            return await came.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(connection.fileno())
