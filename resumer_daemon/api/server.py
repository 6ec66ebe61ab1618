"""The HTTP server, in the event loop of the daemon.

The number of connections is limited, and each has a time limit.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import h11
import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from resumer_daemon.config import Settings
from resumer_daemon.errors import ResumerError

REQUEST: Final = 10.0
"""Seconds for a client to send a request, from the first byte to the end of its body."""

RESPONSE: Final = 60.0
"""Seconds for a response, until the client has received it."""


class Connection(H11Protocol):
    """Closes when a request or its response takes too long.

    uvicorn limits only the time between two requests: a client that never sends a byte, sends its
    request byte by byte, or does not read its response keeps its connection for ever.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limit: asyncio.TimerHandle | None = None
        self._answering = False
        self.since = self.loop.time()

    @property
    def waits(self) -> bool:
        """True while the connection waits for its client to send a request."""
        return not self._answering

    # uvicorn narrows the type of asyncio.Protocol, and so do we
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self._wait(answering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        super().connection_lost(exc)
        if self._limit is not None:
            self._limit.cancel()

    def handle_events(self) -> None:
        """Read data. The time limit of the response starts at the end of the request."""
        super().handle_events()
        complete = self.cycle is not None and not self.cycle.more_body
        if complete and not self.cycle.response_complete and self.waits:
            self._wait(answering=True)

    def send_400_response(self, msg: str) -> None:
        """Refuse data that is not HTTP. A response in progress is not completed."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        self._wait(answering=False)
        super().on_response_complete()

    def drop(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _wait(self, *, answering: bool) -> None:
        self._answering = answering
        self.since = self.loop.time()
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self.loop.call_later(RESPONSE if answering else REQUEST, self.drop)


log = structlog.get_logger()

AGAIN: Final = 0.5
"""Seconds until a failed accept is tried again."""

LOOK: Final = 0.01
"""Seconds between two checks for a free connection while all are busy."""


class Acceptor:
    """Accepts connections of one socket. `connections` holds the open ones.

    asyncio's own server accepts every connection, so that idle ones use up the file descriptors
    that webhooks and the database need. This one closes the connection that has waited longest for
    its client to make room for a new one. While all are busy, new ones wait in the kernel.
    """

    def __init__(self, bound: socket.socket, connections: set[Connection], most: int) -> None:
        self._bound = bound
        self._connections = connections
        self._most = most
        self._task: asyncio.Task[None] | None = None

    def start(self, make: Callable[[], Connection]) -> None:
        """Start to accept. `make` creates the protocol of a connection."""
        self._bound.setblocking(False)
        self._task = asyncio.create_task(self._accept(make))

    def close(self) -> None:
        """Stop accepting connections."""
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until accepting has stopped."""
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await self._task

    async def _accept(self, make: Callable[[], Connection]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._bound)
            except OSError as error:  # the client is gone, or no file descriptor is left
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
        """Wait until one more connection is allowed."""
        while len(self._connections) >= self._most:  # noqa: ASYNC110 - uvicorn has the set
            await asyncio.sleep(0 if self._drop_one() else LOOK)

    def _drop_one(self) -> bool:
        """Close the connection that has waited longest for its client. False: none waits."""
        waiting = [each for each in self._connections if each.waits]
        if waiting:
            min(waiting, key=lambda each: each.since).drop()
        return bool(waiting)


class AddressTaken(ResumerError):
    """The HTTP address cannot be bound."""


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon, which drains before it stops the server.

    It sleeps until `end`. uvicorn's own loop wakes up ten times a second for a date header and for
    limits that are not used here.
    """

    def __init__(self, config: uvicorn.Config, connections: int) -> None:
        super().__init__(config)
        self._end = asyncio.Event()
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections of these sockets, up to the limit of the settings."""
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
        """Sleep until `end`."""
        await self._end.wait()

    def end(self) -> None:
        """Finish responses in progress, and close."""
        self.should_exit = True
        self._end.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
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
            proxy_headers=False,  # it would trust `X-Forwarded-For` of any local client
        )
        self._server = _Quiet(config, settings.http_connections)
        self._host, self._port = settings.http_host, settings.http_port
        self._task: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            AddressTaken: The address is in use, or cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio sets TCP_NODELAY only on a socket that names its protocol
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._port))
            bound.listen()  # a client may connect as soon as the address is known
        except OSError as error:
            bound.close()
            raise AddressTaken(
                f"cannot listen on {self._host}:{self._port}: {error}. Set RESUMER_HTTP_HOST and"
                " RESUMER_HTTP_PORT to a free address."
            ) from error
        host, port = bound.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._server.server_state.connections)

    async def stop(self) -> None:
        """Finish responses in progress, and close."""
        if self._task is not None:
            self._server.end()
            await self._task
