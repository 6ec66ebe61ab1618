"""Counting what an attempt sends and receives, and an end to what it receives."""

import ssl
from dataclasses import dataclass
from typing import Any, Final

import httpcore2

LARGEST: Final = 512 * 1024
"""How many bytes one attempt receives at most: head, framing and what of the body is kept."""

_AT_ONCE: Final = 16 * 1024
"""How many bytes are read at once: others have their turn before the next ones are parsed."""


class TooMuch(httpcore2.ReadError):
    """The answer went on beyond all measure, before its end or what is kept of it was there."""


@dataclass(slots=True)
class Meter:
    """The bytes of HTTP that one attempt has sent and received."""

    sent: int = 0
    received: int = 0


class MeteredStream(httpcore2.AsyncNetworkStream):
    """A connection whose bytes are counted; beyond `LARGEST` it is broken off."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> bytes:
        """Read what is there, at most `max_bytes`.

        Raises:
            TooMuch: There seems to be no end to it.
        """
        if self._meter.received >= LARGEST:
            raise TooMuch
        data = await self._stream.read(min(max_bytes, _AT_ONCE), timeout)
        self._meter.received += len(data)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> None:
        """Write all of it; what fails half-way counts as sent, for who knows."""
        self._meter.sent += len(buffer)
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> httpcore2.AsyncNetworkStream:
        """Go on encrypted; the handshake is not counted."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return MeteredStream(stream, self._meter)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._stream.get_extra_info(info)
