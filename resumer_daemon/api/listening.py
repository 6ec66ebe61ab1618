"""Accepting HTTP connections: never more than a fixed number at once."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from resumer_daemon.api.connection import Connection

log = structlog.get_logger()

AGAIN: Final = 0.5
"""The seconds until an accept that failed is tried again."""

LOOK: Final = 0.01
"""The seconds between two looks for room while every connection is being answered."""


class Acceptor:
    """Accepts connections of one socket; `connections` are those that are open.

    asyncio's own server accepts all that come, so idle connections take the file descriptors that
    webhooks and the database need. Here, the connection that has waited longest for its client
    makes room for a new one. While every one is being answered, new ones wait in the kernel.
    """

    def __init__(self, bound: socket.socket, connections: set[Connection], most: int) -> None:
        self._bound = bound
        self._connections = connections
        self._most = most
        self._task: asyncio.Task[None] | None = None

    def start(self, make: Callable[[], Connection]) -> None:
        """Accept, with a new protocol for each connection."""
        self._bound.setblocking(False)
        self._task = asyncio.create_task(self._accept(make))

    def close(self) -> None:
        """Accept no more."""
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing is accepted any more."""
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await self._task

    async def _accept(self, make: Callable[[], Connection]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._bound)
            except OSError as error:  # a client that is gone, or no file descriptor is left
                log.warning("http_accept_failed", error=str(error))
                self._drop_one()
                await asyncio.sleep(AGAIN)
                continue
            try:
                await self._room()
                await loop.connect_accepted_socket(make, accepted)
            except OSError:
                accepted.close()
            except asyncio.CancelledError:
                accepted.close()
                raise

    async def _room(self) -> None:
        """Wait until there is room for one more connection."""
        while len(self._connections) >= self._most:  # noqa: ASYNC110 - uvicorn has the set
            await asyncio.sleep(0 if self._drop_one() else LOOK)

    def _drop_one(self) -> bool:
        """Close the connection that has waited longest for its client; False: none waits."""
        waiting = [each for each in self._connections if each.waits]
        if waiting:
            min(waiting, key=lambda each: each.since).drop()
        return bool(waiting)
