"""The second lane: while there is a backlog, one batch is answered while the server writes another.

The server and we each have a processor, and in one lane each waits for the other. What two lanes
claim is never the same: each skips what the other has locked.
"""

import asyncio
from collections.abc import Callable

import structlog

from resumer_daemon.daemon.turn import Turned, Turner
from resumer_daemon.store.session import Database
from resumer_daemon.telemetry.logs import said

log = structlog.get_logger()


class Lane:
    """Takes turns beside the worker from `open` until one of them finds less than a batch."""

    def __init__(self, database: Database, turner: Turner, done: Callable[[Turned], None]) -> None:
        self._database = database
        self._turner = turner
        self._done = done
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Work beside the worker, unless that is being done already."""
        if self._task is not None and self._task.done():
            self._task.result()  # a fault of ours is not to be overlooked
            self._task = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take no further turn; the one at hand is finished."""
        self._closing = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        """Take turns. The worker meets what goes wrong here too, and isolates it."""
        try:
            session = await self._database.session("resumer-lane")
            async with session.connection:
                while not self._closing:
                    turned = await self._turner.take(session)
                    self._done(turned)
                    if not self._turner.backlog:
                        return
        except Exception as error:  # a turn may fail with anything
            log.warning("lane_closed", error=said(error))
