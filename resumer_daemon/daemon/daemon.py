"""The composition root: what a daemon is made of, and the order in which it starts and stops."""

import asyncio
import signal

import structlog

from resumer_daemon.api.app import Health, build
from resumer_daemon.api.server import Server
from resumer_daemon.config import Settings
from resumer_daemon.daemon.instance import Instance
from resumer_daemon.daemon.listener import Listener
from resumer_daemon.daemon.periodic import every
from resumer_daemon.daemon.reconciler import Reconciler
from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.daemon.worker import Worker
from resumer_daemon.store.database import Database
from resumer_daemon.store.gauges import Gauges
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


class Daemon:
    """One running daemon. `run` returns when it was stopped and what it held is recorded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        database = Database(settings.url, settings.service_schema, settings.service_timezone)
        wakeup = Wakeup()
        self._instance = Instance(database, settings.notify)
        self._worker = Worker(database, settings, self.metrics, wakeup)
        self._listener = Listener(settings, self.metrics, wakeup, self._worker)
        self._reconciler = Reconciler(database, self.metrics, wakeup)
        self.metrics.registry.register(Gauges(settings.url))
        health = Health(lambda: self._worker.healthy, self.metrics.registry)
        self.server = Server(build(health), settings.http_host, settings.http_port)
        self.listening = self._listener.listening
        self._stops = 0
        self._main: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until `stop`; the database may come and go meanwhile."""
        self._main = asyncio.current_task()
        await self.server.start()
        log.info("started", http=self.server.address, instance=str(self._instance.id))
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._instance.register()),
                    group.create_task(self._listener.run()),
                    group.create_task(
                        every(self.settings.reconcile_interval, self._reconciler.beat)
                    ),
                ]
                await self._worker.run()
                for task in background:
                    task.cancel()
        finally:
            await self.server.stop()
            await self._instance.retire()
            log.info("stopped")

    def stop(self) -> None:
        """First call: drain. Second: end now; another daemon takes up what is under way."""
        self._stops += 1
        if self._stops == 1:
            log.info("draining", timeout=self.settings.drain_timeout)
            self._worker.stop()
            asyncio.get_running_loop().call_later(self.settings.drain_timeout, self._end)
        else:
            self._end()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT stop us; as process 1 nobody else would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()
