"""A receiver of webhooks on loopback that behaves as it is told, and the way to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, TypeAlias

import httpcore2

from resumer_daemon.effects.address_guard import Guard, Resolver
from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.effects.http_client import HttpClient, Timeouts
from resumer_daemon.effects.redaction import Lookup
from resumer_daemon.engine.outcome import Effect

PACE = 0.01

Behaviour: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    """One request as it came."""

    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:-2]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


@dataclass
class Receiver:
    port: int
    requests: list[Received] = field(default_factory=list)

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://localhost:{self.port}{path}"


def answering(
    text: str = "", status: int = 200, headers: tuple[str, ...] = (), body: bytes | None = None
) -> Behaviour:
    """Answer as everybody does."""
    content = text.encode() if body is None else body
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}", *headers, "", ""]
    return saying("\r\n".join(lines).encode() + content)


def saying(data: bytes) -> Behaviour:
    """Send just these bytes, and close."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return behave


async def silent(_writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def dripping(start: bytes, drop: bytes) -> Behaviour:
    """Send a little every now and then, for ever."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(PACE)  # it is slow: nothing is waited for here

    return behave


def flooding(start: bytes, wave: bytes) -> Behaviour:
    """Send as much as is taken, for ever."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(wave)
            await writer.drain()

    return behave


@asynccontextmanager
async def receiver(
    *behaviours: Behaviour, tls: SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver: each request meets the next behaviour, the last one again and again."""
    here = Receiver(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.requests.append(await _request(reader))
        await behaviours[min(len(here.requests), len(behaviours)) - 1](writer)

    async with listening(serve, tls) as here.port:
        yield here


@asynccontextmanager
async def listening(serve: Serve, tls: SSLContext | None = None) -> AsyncIterator[int]:
    """Run a server that speaks whatever it likes, and return its port."""
    handlers: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = await reader.readuntil(b"\r\n\r\n")
    length = dict(
        line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line
    ).get(b"content-length", b"0")
    return Received(head, await reader.readexactly(int(length)))


class CountingBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections and counts what comes through them."""

    def __init__(self) -> None:
        self.connects: list[tuple[str, int]] = []
        self.received = 0

    async def connect_tcp(self, host: str, port: int, *args: Any, **named: Any) -> Any:
        self.connects.append((host, port))
        stream = await httpcore2.AnyIOBackend().connect_tcp(host, port, *args, **named)
        read = stream.read

        async def counted(*args: Any, **named: Any) -> bytes:
            data = await read(*args, **named)
            self.received += len(data)
            return data

        stream.read = counted  # type: ignore[method-assign]
        return stream


async def at_home(_host: str, _port: int) -> list[str]:
    """Resolve every name to loopback."""
    return ["127.0.0.1"]


def client(
    backend: CountingBackend | None = None,
    secrets: dict[str, str] | None = None,
    allow: str = "localhost",
    resolver: Resolver = at_home,
    lookup: Lookup | None = None,
    **named: Any,
) -> HttpClient:
    """Return a client that reaches `receiver`, with short patience."""
    guard = Guard(read_allow_list(allow), resolver=resolver, backend=backend or CountingBackend())
    named.setdefault("trust", SSLContext(PROTOCOL_TLS_CLIENT))
    named.setdefault("timeouts", Timeouts(connect=2.0, first_byte=1.0))
    return HttpClient(guard, lookup or (secrets or {}).__getitem__, **named)


def effect(url: str, *, attempt: int = 1, key: str = "key1", **request: Any) -> Effect:
    """Return an effect as the engine hands it over."""
    rendered = {"method": "POST", "headers": {}, "body": None, **request, "url": url}
    return Effect("x#0", key, "webhook", rendered, attempt, "at_least_once")


def secret(name: str) -> str:
    """Return what stands for a secret in a rendered request."""
    return f"\ufdd0{name}\ufdd1"
