"""The guard against requests that are led inside: resolve once, check all, connect to just that."""

import asyncio
import errno
from collections.abc import Iterable
from typing import Final, Self, TypeAlias

import httpcore2

from resumer_daemon.effects.addresses import as_address, refusal
from resumer_daemon.effects.allow import AllowList
from resumer_daemon.effects.meter import Meter, MeteredStream
from resumer_daemon.effects.resolve import Resolver, SystemResolver
from resumer_daemon.effects.shortage import is_short, is_shortage

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
        kind = refusal(address)
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

    def __init__(self, guard: Guard, meter: Meter) -> None:
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
        return MeteredStream(stream, self._meter)

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
