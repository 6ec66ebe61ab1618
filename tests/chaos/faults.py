"""What happens to the daemons and to the database, in an order that the seed decides."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.chaos.intents import open_intents
from tests.chaos.observer import named
from tests.harness.eventually import eventually_sync
from tests.harness.running import Process

PAUSE = 0.4  # seconds between two faults, at most
PATIENCE = 2.0  # seconds to wait for a daemon to have something under way, at most
KEEPING_PACE = 10.0  # seconds to wait for work to begin before the next fault, at most
LONGER = 1.5  # how much longer than its lease a daemon is stopped


class Slot:
    """A place for a daemon: when one is killed, another takes it."""

    def __init__(
        self, number: int, url: str, folder: Path, module: str, settings: dict[str, Any]
    ) -> None:
        self._number = number
        self._url = url
        self._folder = folder
        self._settings = settings
        self._module = module
        self._lives = 0
        self.lease = float(settings["lease"])
        self.process: Process | None = None
        self.stopped_until = 0.0

    def start(self) -> None:
        """Start a daemon here."""
        self._lives += 1
        name = f"daemon-{self._number}-{self._lives}"
        log = self._folder / f"{name}.log"
        self.process = Process(named(self._url, name), log, self._module, **self._settings)

    @property
    def instance(self) -> str | None:
        """The id of the daemon that is here, once it has said so."""
        said = self.process.said("started") if self.process else []
        return said[0]["instance"] if said else None

    @property
    def stopped(self) -> bool:
        """Whether it is stopped and not to be continued yet."""
        return self.stopped_until > 0.0

    def stop(self, seconds: float) -> None:
        """Stop it for so long; `go_on` continues it."""
        assert self.process is not None
        self.process.signal(signal.SIGSTOP)
        self.stopped_until = time.monotonic() + seconds

    def go_on(self, *, now: bool = False) -> None:
        """Continue it when its time has come."""
        if self.stopped and (now or time.monotonic() >= self.stopped_until):
            assert self.process is not None
            self.process.signal(signal.SIGCONT)
            self.stopped_until = 0.0

    def kill(self) -> None:
        """Kill it, and put another in its place."""
        assert self.process is not None
        self.process.kill()
        self.stopped_until = 0.0
        self.start()

    def end(self) -> None:
        """End what is here, for good."""
        if self.process is not None:
            self.go_on(now=True)
            self.process.kill()


class Faults:
    """Kills, stops and restarts, and counts the intents that each may have cut off."""

    def __init__(
        self, server: EmbeddedPostgres, url: str, slots: list[Slot], chance: random.Random
    ) -> None:
        self._server = server
        self._url = url
        self._slots = slots
        self._chance = chance
        self.interrupted = 0

    def let_loose(
        self, kills: int, stops: int, restarts: int, progress: Callable[[], float]
    ) -> None:
        """Do all of them in random order; return when the last is over and nobody is stopped.

        They are spread over the work, of which `progress` tells how much has begun.
        """
        faults = [self._kill] * kills + [self._stop] * stops + [self._restart] * restarts
        self._chance.shuffle(faults)
        for number, fault in enumerate(faults):
            due = time.monotonic() + KEEPING_PACE
            while progress() < number / len(faults) and time.monotonic() < due:
                self._continue()
                time.sleep(0.02)
            fault()
            self._continue()
            time.sleep(self._chance.random() * PAUSE)
        while any(slot.stopped for slot in self._slots):
            self._continue()
            time.sleep(0.05)

    def _continue(self) -> None:
        for slot in self._slots:
            slot.go_on()

    def _one(self) -> Slot:
        """Return a daemon that runs and has said who it is; wait for one."""

        def able() -> list[Slot]:
            self._continue()
            return [slot for slot in self._slots if not slot.stopped and slot.instance]

        slot = self._chance.choice(eventually_sync(able, 60, of="a daemon that runs"))
        deadline = time.monotonic() + self._chance.random() * PATIENCE
        while open_intents(self._url, slot.instance) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)  # rather while it has something under way
        return slot

    def _kill(self) -> None:
        slot = self._one()
        instance = slot.instance
        slot.kill()
        self._count(instance)

    def _stop(self) -> None:
        slot = self._one()
        slot.stop(slot.lease * LONGER)
        self._count(slot.instance)

    def _restart(self) -> None:
        self._count(None)
        self._server.restart(self._chance.choice(("fast", "immediate")))

    def _count(self, instance: str | None) -> None:
        self.interrupted += open_intents(self._url, instance)
