"""Background tasks, without a database."""

import asyncio
from contextlib import suppress

from resumer_daemon.daemon.background import Background, Query
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.store.maintenance import FIND_TRIGGERS
from resumer_daemon.store.session import Database, Pool
from resumer_daemon.telemetry.metrics import Metrics


async def test_a_task_rests_until_the_database_is_migrated():
    migrated = asyncio.Event()
    runs: asyncio.Queue[object] = asyncio.Queue()
    background = Background(Pool(Database(""), 1), Metrics(), Wakeup(1.0), migrated)
    background.run = runs.put  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(
        background.repeat(Query("triggers", FIND_TRIGGERS, 0.001, lambda _: None))
    )
    for _ in range(10):
        await asyncio.sleep(0)
    assert runs.empty()
    migrated.set()
    await runs.get()
    await runs.get()
    migrated.clear()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
