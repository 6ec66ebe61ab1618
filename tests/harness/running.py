"""A daemon to test, in a thread or as the real process, and parts of it run by hand."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from resumer_daemon.config import Settings, load_settings
from resumer_daemon.daemon.background import Background, Scan, Task
from resumer_daemon.daemon.batch import BatchProcessor
from resumer_daemon.daemon.daemon import Daemon
from resumer_daemon.daemon.maintenance import (
    InstanceReaper,
    NotifyQueueGuard,
    TriggerWatch,
    background_tasks,
)
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.daemon.scan_window import ScanWindow, StatusReader
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.store.definition_cache import DefinitionCache
from resumer_daemon.store.leases import LeaseOwner, silence
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics
from tests.harness import pooler
from tests.harness.database import Database
from tests.harness.eventually import eventually_sync, patient

SHORT = {
    "http_port": "0",
    "poll_interval": "1s",
    "reconcile_interval": "300ms",
    "allow_superuser": "true",
    "database_sslmode": "prefer",
}
PATIENCE = 40.0


class Observed:
    """The outside of a running daemon: its metrics, its health, its HTTP interface."""

    @property
    def address(self) -> str:
        """The address of its HTTP interface; empty until it listens."""
        raise NotImplementedError

    def get(self, path: str) -> tuple[int, str]:
        """Ask its HTTP; nobody there is status 0."""
        if not self.address:
            return 0, ""
        try:
            with urlopen(f"{self.address}{path}", timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        """Tell whether it says that it works."""
        return self.get("/readyz")[0] == 200

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample as it is now, 0 where there is none."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@dataclass
class Running(Observed):
    """A daemon in a thread of its own: tests may block on what it must do meanwhile."""

    daemon: Daemon
    ended: Future[None]
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> str:
        return self.daemon.server.address

    @property
    def listening(self) -> bool:
        """Tell whether it hears notifications."""
        return self.daemon.listening.is_set()

    def check(self) -> bool:
        """Raise what it ended with, if it did; else it is alive."""
        if self.ended.done():
            self.ended.result()
        return True

    def stop(self) -> None:
        """Let it drain; what takes longer than a test may wait is ended at once, and told."""
        self._stop()
        limit = patient(PATIENCE)
        if self.ended not in wait([self.ended], limit).done:
            self._stop()
            raise AssertionError(f"the daemon did not drain within {limit:g} s")
        self.ended.result()

    def _stop(self) -> None:
        with suppress(RuntimeError):  # it ended by itself: its loop is closed
            self.loop.call_soon_threadsafe(self.daemon.stop)


@contextmanager
def running(
    database: Database, *, listens: bool = True, comes_up: bool = True, **settings: Any
) -> Iterator[Running]:
    """Run a daemon in this process; it is ready when the block begins, and listens if it can."""
    with pooler.leading(database) as led, _run(**(SHORT | led | settings)) as made:
        eventually_sync(lambda: made.check() and made.ready() >= comes_up, of="it is ready")
        eventually_sync(lambda: made.listening or not listens, of="the daemon listens")
        yield made


@contextmanager
def _run(**settings: Any) -> Iterator[Running]:
    daemon = Daemon(load_settings(**settings))
    loops: Future[asyncio.AbstractEventLoop] = Future()

    async def main() -> None:
        loops.set_result(asyncio.get_running_loop())
        await daemon.run()

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, main())
        made = Running(daemon, ended, loops.result(patient(PATIENCE)))
        try:
            yield made
        finally:
            made.stop()


class Process(Observed):
    """`resumer-daemon run` as a process of its own, with its log as it wrote it."""

    def __init__(self, url: str, log: Path, module: str, **settings: object) -> None:
        command = str(settings.pop("command", "run"))
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, command],
                env=environment(url, **(SHORT | settings)),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> list[dict[str, Any]]:
        """Return its log so far; what is no JSON is an event named by its text."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [json.loads(t) if t.startswith("{") else {"event": t} for t in lines]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return what it logged under this name."""
        return [line for line in self.log() if line["event"] == event]

    @property
    def address(self) -> str:
        started = self.said("started")
        return started[0]["http"] if started else ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether it is there."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end and return its exit code."""
        return self._process.wait(patient(timeout))

    def close(self) -> None:
        """End it whatever it does, and show what it logged."""
        self.kill()
        sys.stdout.write(self._log.read_text(errors="replace"))


@contextmanager
def process(database: Database | str, log: Path, **settings: object) -> Iterator[Process]:
    """Run the real process. At the end, where it still runs, SIGTERM must end it with 0.

    `command` may be another one that runs until it is told.
    """
    with ExitStack() as stack:
        if isinstance(database, Database):
            settings = stack.enter_context(pooler.leading(database)) | settings
        else:
            settings["database_url"] = database
        url = str(settings.pop("database_url"))
        made = stack.enter_context(closing(Process(url, log, "resumer_daemon", **settings)))
        yield made
        if made.running:
            made.signal()
            assert made.wait() == 0


def environment(url: str | None, **settings: object) -> dict[str, str]:
    """Return the environment of a command: nothing of ours but these settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RESUMER_") and name != "DATABASE_URL"
    }
    named = {f"RESUMER_{name.upper()}": str(value) for name, value in settings.items()}
    address = {} if url is None else {"RESUMER_DATABASE_URL": url}
    return kept | {"RESUMER_LOG_FORMAT": "json", "COLUMNS": "160"} | named | address


@dataclass(frozen=True)
class ByHand:
    """A runner of tasks, with its visible effects."""

    background: Background
    metrics: Metrics
    wakeup: Wakeup
    tasks: dict[str, Task]

    async def run(self, name: str, *, limit: int | None = None) -> None:
        """Run a task once, a walk with slices of `limit` rows."""
        task = self.tasks[name]
        if limit is not None:
            assert isinstance(task, Scan)
            task = self.tasks[name] = replace(task, limit=limit)
        await self.background.run(task)

    async def lap(self, name: str, *, limit: int | None = None) -> None:
        """Run a walk to the end of its lap."""
        self.background.hasten(True)
        await self.run(name, limit=limit)
        self.background.hasten(False)

    @asynccontextmanager
    async def repeating(self) -> AsyncIterator[None]:
        """Run all tasks again and again, as a daemon does."""
        running = {asyncio.create_task(self.background.repeat(t)) for t in self.tasks.values()}
        try:
            yield
        finally:
            while running:  # whoever waits for a connection of the pool may miss one call
                for task in running:
                    task.cancel()
                _, running = await asyncio.wait(running, timeout=0.1)

    def counted(self, name: str, **labels: str) -> float:
        """Return a sample, 0 where there is none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def by_hand(database: Database, **settings: Any) -> AsyncIterator[ByHand]:
    """Yield the tasks of a daemon that does nothing by itself."""
    read = load_settings(database_url=database.url, **settings)
    pool = Pool(Store(database.url, read.service_schema, read.service_timezone), 1)
    await pool.open()
    try:
        yield _made(pool, read)
    finally:
        await pool.close()


def _made(pool: Pool, settings: Settings) -> ByHand:
    metrics, wakeup = Metrics(), Wakeup(1.0)
    background = Background(pool, metrics, wakeup)
    watch = TriggerWatch(metrics, background.hasten, enforces=False)
    rescuer = InstanceReaper(silence(settings.lease), metrics, wakeup)
    made = background_tasks(settings, watch, NotifyQueueGuard(settings.notify), rescuer)
    return ByHand(background, metrics, wakeup, {task.name: task for task in made})


def processor(url: str, *, window: ScanWindow | None = None, **settings: object) -> BatchProcessor:
    """Return the processor of a worker with these settings, which runs one effect at a time."""
    chosen = load_settings(database_url=url, **settings)
    return BatchProcessor(
        chosen,
        DefinitionCache(),
        LeaseOwner(uuid4(), chosen.lease, effect_deadline=1.0),
        lambda: 1,
        window or ScanWindow(),
        Suspects(),
        NewerStates(),
        reader=StatusReader(chosen),
    )
