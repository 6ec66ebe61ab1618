"""SSRF guard: resolve a host once, check all its addresses, connect to the checked one only.

It also counts the bytes that an attempt sends and receives, and ends a response that is too
large.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final, Self, TypeAlias

import httpcore2

from resumer_daemon.effects.allowlist import AllowList, as_address, refusal_of_address
from resumer_daemon.effects.shortage import is_short, is_shortage

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Returns all addresses of a host as texts, best first; raises OSError."""

AT_ONCE: Final = 32


class SystemResolver:
    """Asks the system, in threads of its own.

    The event loop's own threads are few and the database's driver looks names up in them: a name
    server that hangs must not keep the daemon from its database. A thread that hangs on is let go
    of, and counts until it ends.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return all addresses of a host.

        Raises:
            OSError: It has none, or nobody could say.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def settle(found: list[str] | OSError) -> None:
            self._free.release()
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            found = _look_up(host, port)
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, found)

        await self._free.acquire()
        try:
            Thread(target=work, name="resolve", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._free.release()
            raise OSError(errno.ENOMEM, str(error)) from error
        return await answer


def _look_up(host: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


LARGEST: Final = 512 * 1024
"""How many bytes one attempt receives at most: head, framing and what of the body is kept."""

_AT_ONCE: Final = 16 * 1024
"""How many bytes are read at once: others have their turn before the next ones are parsed."""


class ResponseTooLarge(httpcore2.ReadError):
    """The answer went on beyond all measure, before its end or what is kept of it was there."""


@dataclass(slots=True)
class ByteCounter:
    """The bytes of HTTP that one attempt has sent and received."""

    sent: int = 0
    received: int = 0


class CountedStream(httpcore2.AsyncNetworkStream):
    """A connection whose bytes are counted; beyond `LARGEST` it is broken off."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, meter: ByteCounter) -> None:
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
            raise ResponseTooLarge
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
        return CountedStream(stream, self._meter)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._stream.get_extra_info(info)


SocketOptions: TypeAlias = Iterable[httpcore2.SOCKET_OPTION] | None

ADDRESSES: Final = 4
"""How many addresses of a host are tried; all of them are checked."""


class AddressRefused(Exception):
    """A host is, or leads to, a place inside that the settings do not allow."""

    def __init__(self, host: str, kind: str) -> None:
        super().__init__(f"{host} has {kind} address, which RESUMER_HTTP_ALLOW does not allow")


class NotResolved(Exception):
    """Nobody could say which addresses a host has."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} could not be looked up")


class Guard:
    """Says which addresses a host may be reached at. Without an allow-list: the open Internet's."""

    def __init__(
        self,
        allow: AllowList | None = None,
        *,
        resolver: Resolver | None = None,
        backend: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow = allow or AllowList()
        self._resolve = resolver or SystemResolver()
        self.backend = backend or httpcore2.AnyIOBackend()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, each one checked; a single bad one refuses the host.

        Raises:
            AddressRefused: One of them is not allowed.
            NotResolved: There is none, or what came is no address.
            OSError: This daemon is short of what a look-up needs.
        """
        found = [host] if as_address(host) else await self._looked_up(host, port)
        if not self._allow.has_name(host, port):
            for text in found:
                self._check(host, text, port)
        return found[:ADDRESSES]

    def _check(self, host: str, text: str, port: int) -> None:
        address = as_address(text)
        if address is None:
            raise AddressRefused(host, "a malformed")
        kind = refusal_of_address(address)
        if kind is not None and not self._allow.has_address(address, port):
            raise AddressRefused(host, kind)

    async def _looked_up(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            if is_shortage(error) or is_short():
                raise OSError(errno.EMFILE, f"{host} was not looked up") from error
            raise NotResolved(host) from None
        if not found:
            raise NotResolved(host)
        return found


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens the connection of one attempt, to an address that the guard has returned.

    Only the address is replaced: `Host`, SNI and the certificate's name stay the URL's. Leaving
    its context closes the connection, also one that was given up during its TLS handshake.
    """

    def __init__(self, guard: Guard, meter: ByteCounter) -> None:
        self._guard = guard
        self._meter = meter
        self._opened: httpcore2.AsyncNetworkStream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look up, check and connect, all within `timeout` seconds.

        Raises:
            AddressRefused: The guard does not let it through.
            NotResolved: The host has no address.
            httpcore2.ConnectError: No address answered.
            httpcore2.ConnectTimeout: Not in time.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
                each = None if timeout is None else timeout / len(addresses)
                stream = await self._first(addresses, port, each, local_address, socket_options)
                self._opened = stream
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        return CountedStream(stream, self._meter)

    async def _first(
        self,
        addresses: list[str],
        port: int,
        each: float | None,
        local_address: str | None,
        socket_options: SocketOptions,
    ) -> httpcore2.AsyncNetworkStream:
        *others, last = addresses
        connect = self._guard.backend.connect_tcp
        for address in others:
            try:
                return await connect(address, port, each, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await connect(last, port, each, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        socket_options: SocketOptions = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: nothing outside listens there."""
        del timeout, socket_options
        raise AddressRefused(path, "a local")
