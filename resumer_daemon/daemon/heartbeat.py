"""Register this daemon, and send heartbeats while it has leases.

The heartbeat has a thread and a connection of its own, so that neither a busy event loop nor an
exhausted pool delays it. Heartbeats only make a rescue faster. Progress alone extends a lease, so a
stuck worker loses it all the same.
"""

import asyncio
import socket
from collections.abc import Callable
from math import inf
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from resumer_daemon import __version__
from resumer_daemon.config import Settings
from resumer_daemon.engine.state import VERSION
from resumer_daemon.errors import ResumerError
from resumer_daemon.store import instances
from resumer_daemon.store.leases import LeaseOwner, silence
from resumer_daemon.store.session import Database
from resumer_daemon.telemetry.logs import format_error

log = structlog.get_logger()


class Instance:
    """This daemon process in `resumer.instances`. `registered` is False until the row is written.

    The id is random, because a host name and a process id may occur again.
    """

    def __init__(self, database: Database, owner: LeaseOwner, settings: Settings) -> None:
        self.registered = False
        self._database = database
        self._owner = owner
        self._settings = settings

    @property
    def id(self) -> UUID:
        """The id under which this daemon takes leases."""
        return self._owner.instance

    async def register(self) -> None:
        """Write the row, as soon as the database can be reached."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.Error, ResumerError)),
            wait=wait_exponential_jitter(multiplier=0.5, max=30.0),
        ):
            with attempt:
                session = await self._database.session("resumer-instance")
                async with session.connection:
                    await instances.register(
                        session,
                        self.id,
                        notify=self._settings.notify,
                        guard=self._settings.decision_guard,
                        closed=self._settings.closed_status,
                        document_bytes=self._settings.document_bytes,
                        event_capture=self._settings.event_capture,
                        adopt_within=self._settings.adopt_within,
                        timezone=self._database.timezone,
                        host=socket.gethostname(),
                        version=__version__,
                        silence=silence(self._owner.lease),
                        state_version=VERSION,
                    )
                self.registered = True

    async def register_again(self) -> None:
        """Register under a new id, after this daemon was declared dead."""
        self._owner.instance = uuid4()
        await self.register()

    async def unregister(self) -> None:
        """Delete the row. A failure is logged only: other daemons do not rely on this."""
        if not self.registered:
            return
        try:
            session = await self._database.session("resumer-instance")
            async with session.connection:
                await instances.delete(session, self.id)
        except (psycopg.Error, ResumerError) as error:
            log.warning("unregister_failed", error=format_error(error))


BEATS_PER_SILENCE = 4
"""Heartbeats in the time after which a daemon without any is declared dead."""

STOP_TIMEOUT = 2.0
"""Seconds that `stop` waits for a heartbeat that hangs."""


class Heartbeat:
    """Sends heartbeats while this daemon has leases.

    After `silence` seconds without a heartbeat another daemon may declare this one dead. `on_death`
    is called, in the heartbeat's thread, when that has happened.
    """

    def __init__(
        self, url: str, instance: Instance, silence: float, on_death: Callable[[], None]
    ) -> None:
        self._url = url
        self._instance = instance
        self._silence = silence
        self._on_death = on_death
        self._proved = 0.0
        self._has_leases = Event()
        self._stopped = Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread. It connects with the first lease."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread, but wait `STOP_TIMEOUT` at most."""
        self._stopped.set()
        self._has_leases.set()
        await asyncio.to_thread(self._thread.join, STOP_TIMEOUT)

    def track(self) -> None:
        """Send heartbeats from now on: this daemon has a lease."""
        self._has_leases.set()

    def clear(self) -> None:
        """Send no more heartbeats: this daemon has no leases."""
        self._has_leases.clear()

    def trusted_until(self, recorded: float) -> float:
        """Return the local time until which no other daemon can have declared this one dead.

        `recorded` is the local time at which a lease was taken. Both are on `monotonic`.
        """
        if not self._instance.registered:
            return inf  # other daemons do not know it, and go by its leases alone
        return max(self._proved, recorded) + self._silence

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._has_leases.is_set():
                self._close()
            self._has_leases.wait()
            # a lease that is held for less than this needs no heartbeat: it is proof enough itself
            self._stopped.wait(self._silence / BEATS_PER_SILENCE)
            has_leases = self._has_leases.is_set() and not self._stopped.is_set()
            if has_leases and self._instance.registered:
                self._beat()
        self._close()

    def _beat(self) -> None:
        sent = monotonic()  # before it is sent, because the database counts from a later moment
        try:
            if self._connection is None:
                self._connection = instances.connect_for_heartbeats(self._url)
            alive = instances.record_heartbeat(self._connection, self._instance.id)
        except psycopg.Error as error:
            log.warning("heartbeat_lost", error=format_error(error))
            self._close()
            return
        if alive:
            self._proved = sent
        elif not self._stopped.is_set():
            self._instance.registered = False
            self._on_death()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
