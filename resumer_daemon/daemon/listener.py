"""LISTEN on a connection of its own, and verify now and then that notifications arrive.

A pooler accepts LISTEN and delivers nothing, and on a dead network path nothing arrives either. So
the listener sends itself a notification at the start and after every quiet interval. If it does not
come back in time, the socket is closed at once, because a regular close would wait for the same
dead path.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.polling import Wakeup
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
READ = 0.01  # seconds to read the notifications that have arrived


class NotificationTimeout(ResumerError):
    """The listener's own notification did not come back."""


class Listener:
    """Sets the wakeup on a notification. Without a connection the worker polls more often."""

    def __init__(self, settings: Settings, metrics: Metrics, wakeup: Wakeup) -> None:
        self._settings = settings
        self._url = settings.listening_url
        self._metrics = metrics
        self._wakeup = wakeup
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen for ever. After a loss, poll until there is a new connection."""
        self._poll_only()
        wait = RECONNECT_FIRST
        while True:
            try:
                async with self._connected() as connection:
                    await self._receive(connection)
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
        self._wakeup.poll_interval = self._settings.poll_only_interval
        self._wakeup.set("reconcile")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await connect(self._url, autocommit=True, name="resumer-listener")
        try:
            yield connection
        finally:
            connection.pgconn.finish()

    async def _receive(self, connection: Connection) -> None:
        async with asyncio.timeout(self._settings.ping_deadline):
            await listen(connection)
        async with sender(connection, self._url) as by:
            await self._verify_delivery(connection, by)
        self._metrics.set_listen_mode("notify")
        self.listening.set()
        self._wakeup.poll_interval = self._settings.poll_interval
        self._wakeup.set("reconcile")  # for what was notified before LISTEN
        log.info("listening")
        while True:
            if not await _readable(connection, self._settings.ping_interval):
                await self._verify_delivery(connection, connection)
            async for note in connection.notifies(timeout=READ):
                if note.payload != PING:
                    self._wakeup.set("notify")

    async def _verify_delivery(self, connection: Connection, by: Connection) -> None:
        """Send a notification to ourselves through `by`, and receive it or another in time.

        Raises:
            NotificationTimeout: None arrived.
        """
        deadline = self._settings.ping_deadline
        closing = asyncio.get_running_loop().call_later(deadline * 2, connection.pgconn.finish)
        try:
            async with asyncio.timeout(deadline):
                await ping(by)
            received = await receive_notifications(connection, deadline)
        finally:
            closing.cancel()
        if not received:
            raise NotificationTimeout(
                f"no test notification arrived within {deadline} s. If the connection goes through"
                " a transaction pooler, set RESUMER_LISTEN_URL to a direct one."
            )
        if set(received) != {PING}:
            self._wakeup.set("notify")


async def _readable(connection: Connection, seconds: float) -> bool:
    """Wait for input. psycopg itself would poll ten times a second."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), came.set)
    try:
        async with asyncio.timeout(seconds):
            return await came.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(connection.fileno())
