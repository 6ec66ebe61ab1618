"""Proof of life while leases are held, from a thread and a connection of its own.

Neither a busy event loop nor a pool without a free connection can starve it. It only makes a rescue
quicker: a lease moves by progress alone, so a worker that is stuck loses it, heartbeat or not.
"""

import asyncio
from collections.abc import Callable
from math import inf
from threading import Event, Thread
from time import monotonic
from typing import Any

import psycopg
import structlog
from psycopg import IsolationLevel

from resumer_daemon.daemon.instance import Instance
from resumer_daemon.store.connection import ARGUMENTS, settings
from resumer_daemon.store.statements import load
from resumer_daemon.telemetry.logs import said

log = structlog.get_logger()

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
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    prepare_threshold=None,
                    application_name="resumer-heartbeat",
                    **ARGUMENTS,
                )
                self._connection.isolation_level = IsolationLevel.READ_COMMITTED
                self._connection.deferrable = False
            with self._connection.transaction():
                self._connection.execute(*settings(local=True))
                self._connection.execute(load("bound_beat"))
                there = self._connection.execute(load("beat"), {"id": self._instance.id}).rowcount
        except psycopg.Error as error:
            log.warning("heartbeat_lost", error=said(error))
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
