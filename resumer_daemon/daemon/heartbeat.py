"""Register this daemon, and send heartbeats while it holds leases, from a thread of its own.

Neither a busy event loop nor an exhausted pool can delay a heartbeat. Heartbeats only make a
rescue quicker: a lease is extended by progress alone, so a stuck worker loses it either way.
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
    """One daemon process. A host name or process id would come again; the id does not."""

    def __init__(self, database: Database, holder: LeaseOwner, settings: Settings) -> None:
        self.registered = False
        self._database = database
        self._holder = holder
        self._settings = settings

    @property
    def id(self) -> UUID:
        """The id under which it takes leases."""
        return self._holder.instance

    async def register_anew(self) -> None:
        """Come back as somebody else, for we were called dead."""
        self._holder.instance = uuid4()
        await self.register()

    async def register(self) -> None:
        """Say that we are there, as soon as the database hears it."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.Error, ResumerError)),
            wait=wait_exponential_jitter(multiplier=0.5, max=30.0),
        ):
            with attempt:
                await self._register(
                    notify=self._settings.notify,
                    guard=self._settings.decision_guard,
                    closed=self._settings.closed_status,
                    document_bytes=self._settings.document_bytes,
                    event_capture=self._settings.event_capture,
                    adopt_within=self._settings.adopt_within,
                    timezone=self._database.timezone,
                    host=socket.gethostname(),
                    version=__version__,
                    silence=silence(self._holder.lease),
                    state_version=VERSION,
                )
                self.registered = True

    async def retire(self) -> None:
        """Say that we are gone; nobody depends on hearing it."""
        try:
            session = await self._database.session("resumer-instance")
            async with session.connection:
                await instances.delete(session, self.id)
        except (psycopg.Error, ResumerError) as error:
            log.warning("unregister_failed", error=format_error(error))

    async def _register(self, **facts: object) -> None:
        session = await self._database.session("resumer-instance")
        async with session.connection:
            await instances.register(session, self.id, **facts)


BEATS = 4  # in the time after which a silent daemon is dead
PATIENCE = 2.0  # seconds


class Heartbeat:
    """Beats while something is held, and knows until when nobody can think us dead.

    `silence` is after how many seconds somebody may; `on_death` is called, in the thread, when
    somebody did.
    """

    def __init__(
        self, url: str, instance: Instance, silence: float, on_death: Callable[[], None]
    ) -> None:
        self._url = url
        self._instance = instance
        self._silence = silence
        self._on_death = on_death
        self._proved = 0.0
        self._held = Event()
        self._over = Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; nothing is said before something is held."""
        self._thread.start()

    async def stop(self) -> None:
        """End; a beat that hangs is not waited for."""
        self._over.set()
        self._held.set()
        await asyncio.to_thread(self._thread.join, PATIENCE)

    def hold(self) -> None:
        """Beat from now on."""
        self._held.set()

    def rest(self) -> None:
        """Be silent: nothing is held any more."""
        self._held.clear()

    def trusted_until(self, recorded: float) -> float:
        """Return until when nobody can think dead who recorded a lease then, by our own clock."""
        if not self._instance.registered:
            return inf  # unknown to others: they go by the leases alone
        return max(self._proved, recorded) + self._silence

    def _run(self) -> None:
        while not self._over.is_set():
            if not self._held.is_set():
                self._close()
            self._held.wait()
            # what is held for less than this needs no beat: its lease was proof enough
            self._over.wait(self._silence / BEATS)
            if self._held.is_set() and self._instance.registered and not self._over.is_set():
                self._beat()
        self._close()

    def _beat(self) -> None:
        sent = monotonic()  # before it is sent: the database counts from a later moment
        try:
            if self._connection is None:
                self._connection = instances.connect_for_heartbeats(self._url)
            there = instances.record_heartbeat(self._connection, self._instance.id)
        except psycopg.Error as error:
            log.warning("heartbeat_lost", error=format_error(error))
            self._close()
            return
        if there:
            self._proved = sent
        elif not self._over.is_set():
            self._instance.registered = False
            self._on_death()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
