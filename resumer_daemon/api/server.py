"""The HTTP server beside the daemon's work, in the same event loop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvicorn
from fastapi import FastAPI

from resumer_daemon.api.connection import Connection
from resumer_daemon.api.listening import Acceptor
from resumer_daemon.config import Settings
from resumer_daemon.errors import ResumerError


class AddressTaken(ResumerError):
    """The HTTP address cannot be bound."""


class _Quiet(uvicorn.Server):
    """Leaves the signals to the daemon, which drains before it lets the server go.

    And sleeps until it is told: uvicorn's own loop wakes ten times a second, for a header with the
    date and for limits that we do not use.
    """

    def __init__(self, config: uvicorn.Config, connections: int) -> None:
        super().__init__(config)
        self._end = asyncio.Event()
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections of these sockets, and no more at once than the settings say."""
        await self.lifespan.startup()
        opened = cast(set[Connection], self.server_state.connections)
        acceptors = [Acceptor(bound, opened, self._connections) for bound in sockets or []]
        for acceptor in acceptors:
            acceptor.start(self._connection)
        self.servers = cast("list[asyncio.Server]", acceptors)  # it closes and waits for them
        self.started = True

    def _connection(self) -> Connection:
        return Connection(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self._end.wait()

    def end(self) -> None:
        """Finish what is being answered, and close."""
        self.should_exit = True
        self._end.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Server:
    """Serves an application on one address from `start` to `stop`."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            date_header=False,
            http=Connection,
            ws="none",
            proxy_headers=False,  # it would take any local client's word for its address
        )
        self._server = _Quiet(config, settings.http_connections)
        self._host, self._port = settings.http_host, settings.http_port
        self._task: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            AddressTaken: Somebody else has the address.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # of a socket that names its protocol, asyncio knows that small answers must not wait
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._port))
            bound.listen()  # whoever is told the address may come at once
        except OSError as error:
            bound.close()
            raise AddressTaken(f"cannot listen on {self._host}:{self._port}: {error}") from error
        host, port = bound.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    async def stop(self) -> None:
        """Finish what is being answered and close."""
        if self._task is not None:
            self._server.end()
            await self._task
