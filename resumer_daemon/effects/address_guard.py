"""SSRF guard: resolve a host once, check all its addresses, connect only to a checked one.

It also counts the bytes that an attempt sends and receives, and stops a response that is too large.
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
"""Returns all addresses of a host as texts, best first. Raises OSError."""

CONCURRENT_LOOKUPS: Final = 32


class SystemResolver:
    """Resolves host names with the system's resolver, in threads of its own.

    The event loop has few threads, and the database driver resolves names in them. A name server
    that hangs must not keep the daemon from its database. A thread that hangs is not waited for,
    but it counts against `concurrency` until it ends.
    """

    def __init__(self, concurrency: int = CONCURRENT_LOOKUPS) -> None:
        self._free = asyncio.Semaphore(concurrency)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return all addresses of a host.

        Raises:
            OSError: It has none, or the lookup failed.
        """
        loop = asyncio.get_running_loop()
        resolved: asyncio.Future[list[str]] = loop.create_future()

        def settle(found: list[str] | OSError) -> None:
            self._free.release()
            if resolved.done():
                return
            if isinstance(found, OSError):
                resolved.set_exception(found)
            else:
                resolved.set_result(found)

        def look_up() -> None:
            found = _look_up(host, port)
            with suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(settle, found)

        await self._free.acquire()
        try:
            Thread(target=look_up, name="resolve", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._free.release()
            raise OSError(errno.ENOMEM, str(error)) from error
        return await resolved


def _look_up(host: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


MAX_RECEIVED: Final = 512 * 1024
"""Bytes that one attempt may receive: head, framing, and the part of the body that is kept."""

_READ_SIZE: Final = 16 * 1024
"""Bytes that are read at once. Other tasks run before the next ones are parsed."""


class ResponseTooLarge(httpcore2.ReadError):
    """The response passed `MAX_RECEIVED` before the part of it that is kept was complete."""


@dataclass(slots=True)
class ByteCounter:
    """The bytes of HTTP that one attempt sent and received."""

    sent: int = 0
    received: int = 0


class CountedStream(httpcore2.AsyncNetworkStream):
    """A connection that counts its bytes and fails beyond `MAX_RECEIVED`."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, counter: ByteCounter) -> None:
        self._stream = stream
        self._counter = counter

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> bytes:
        """Read at most `max_bytes`.

        Raises:
            ResponseTooLarge: `MAX_RECEIVED` bytes were read already.
        """
        if self._counter.received >= MAX_RECEIVED:
            raise ResponseTooLarge
        data = await self._stream.read(min(max_bytes, _READ_SIZE), timeout)
        self._counter.received += len(data)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
    ) -> None:
        """Write all of it. A write that fails midway counts as sent, because part of it may be."""
        self._counter.sent += len(buffer)
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
        """Continue encrypted. The handshake is not counted."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return CountedStream(stream, self._counter)

    def get_extra_info(self, info: str) -> Any:
        """Return a property of the connection."""
        return self._stream.get_extra_info(info)


SocketOptions: TypeAlias = Iterable[httpcore2.SOCKET_OPTION] | None

MAX_ADDRESSES: Final = 4
"""Addresses of a host that are tried. All of them are checked."""


class AddressRefused(Exception):
    """A host is, or resolves to, a non-public address that the settings do not allow."""

    def __init__(self, host: str, kind: str) -> None:
        super().__init__(f"{host} has {kind} address, which RESUMER_HTTP_ALLOW does not allow")


class NotResolved(Exception):
    """The addresses of a host could not be looked up."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} could not be looked up")


class Guard:
    """Decides at which addresses a host may be reached. Without an allow-list: public ones."""

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
        """Return the checked addresses of a host. A single one that is refused refuses the host.

        Raises:
            AddressRefused: One of them is not allowed, or malformed.
            NotResolved: The host has no address.
            OSError: This daemon has a shortage that prevents a lookup.
        """
        addresses = [host] if as_address(host) else await self._look_up(host, port)
        if not self._allow.has_name(host, port):
            for address in addresses:
                self._check(host, address, port)
        return addresses[:MAX_ADDRESSES]

    def _check(self, host: str, text: str, port: int) -> None:
        address = as_address(text)
        if address is None:
            raise AddressRefused(host, "a malformed")
        kind = refusal_of_address(address)
        if kind is not None and not self._allow.has_address(address, port):
            raise AddressRefused(host, kind)

    async def _look_up(self, host: str, port: int) -> list[str]:
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
    """Opens the connection of one attempt, to an address that the guard returned.

    Only the address is replaced. `Host`, SNI and the name in the certificate stay those of the URL.
    Leaving the context closes the connection, even one that was cancelled in its TLS handshake.
    """

    def __init__(self, guard: Guard, counter: ByteCounter) -> None:
        self._guard = guard
        self._counter = counter
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
            AddressRefused: The guard does not allow the host.
            NotResolved: The host has no address.
            httpcore2.ConnectError: No address accepts a connection.
            httpcore2.ConnectTimeout: The time is over.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
                each = None if timeout is None else timeout / len(addresses)
                stream = await self._connect_to_first(
                    addresses, port, each, local_address, socket_options
                )
                self._opened = stream
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        return CountedStream(stream, self._counter)

    async def _connect_to_first(
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
        """Refuse: every Unix socket is local."""
        del timeout, socket_options
        raise AddressRefused(path, "a local")
