"""Lookups of host names run in threads of their own and are limited."""

import asyncio
import socket
import threading

import pytest

from resumer_daemon.effects.address_guard import SystemResolver
from tests.harness import eventually


@pytest.fixture
def hanging(monkeypatch):
    """A name server that answers after an event, and the names that were looked up."""
    go, asked = threading.Event(), []

    def look_up(host, *_args, **_named):
        asked.append(host)
        go.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))] * 2

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield go, asked
    go.set()


async def test_system_resolver_resolves_localhost():
    assert set(await SystemResolver()("localhost", 80)) & {"127.0.0.1", "::1"}


async def test_system_resolver_raises_for_an_unknown_host(monkeypatch):
    def look_up(*_args, **_named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = SystemResolver(1)
    for _ in range(2):
        with pytest.raises(OSError, match="not known"):
            await resolver("nowhere.example", 80)


async def test_system_resolver_limits_concurrent_lookups(hanging):
    go, asked = hanging
    resolver = SystemResolver(2)
    looking = [asyncio.create_task(resolver(f"h{n}.example", 80)) for n in range(4)]
    await eventually(lambda: len(asked) == 2)
    go.set()
    assert await asyncio.gather(*looking) == [["192.0.2.1"]] * 4


async def test_cancelled_lookup_counts_until_its_thread_ends(hanging):
    go, asked = hanging
    resolver = SystemResolver(1)
    first = asyncio.create_task(resolver("first.example", 80))
    await eventually(lambda: asked)
    first.cancel()
    second = asyncio.create_task(resolver("second.example", 80))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert asked == [b"first.example"]
    go.set()
    assert await second == ["192.0.2.1"]


def test_lookup_may_end_after_the_event_loop(hanging):
    go, asked = hanging

    async def give_up() -> None:
        looking = asyncio.create_task(SystemResolver()("slow.example", 80))
        await eventually(lambda: asked)
        looking.cancel()

    asyncio.run(give_up())
    go.set()
    for thread in threading.enumerate():
        if thread.name == "resolve":
            thread.join()
