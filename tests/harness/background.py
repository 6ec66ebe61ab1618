"""The background tasks of a daemon, each run by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from resumer_daemon.config import Settings, load_settings
from resumer_daemon.daemon.background import Background, Scan, Task
from resumer_daemon.daemon.maintenance import (
    InstanceReaper,
    NotifyQueueGuard,
    TriggerWatch,
    background_tasks,
)
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.store.leases import silence
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics
from tests.harness.database import Database


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
