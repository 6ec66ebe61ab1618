"""One HTTP connection: its client is not waited for without end, and odd framing is refused."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST: Final = 10.0
"""The seconds within which a client sends a request, from the first byte to the end of its body."""

RESPONSE: Final = 60.0
"""The seconds within which a request is answered and its client has taken the answer."""


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
        """Tell whether it waits for its client: for a request, or for the rest of one."""
        return not self._answering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(answering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        if self._limit is not None:
            self._limit.cancel()

    def handle_events(self) -> None:
        """Read what came; from the end of a request on, the time of its response counts."""
        super().handle_events()
        complete = self.cycle is not None and not self.cycle.more_body
        if complete and not self.cycle.response_complete and self.waits:
            self._wait(answering=True)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. A response to the request that it belongs to is not sent then."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._wait(answering=False)
        super().on_response_complete()

    def drop(self) -> None:
        """Close it now, whatever is under way."""
        self.transport.abort()

    def _wait(self, *, answering: bool) -> None:
        self._answering = answering
        self.since = self.loop.time()
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self.loop.call_later(RESPONSE if answering else REQUEST, self.drop)
