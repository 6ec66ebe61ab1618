"""Idle HTTP connections and shortages of this daemon never fail a webhook."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpcore2
import pytest

from resumer_daemon.effects.address_guard import Guard
from resumer_daemon.effects.http_client import HttpClient
from resumer_daemon.effects.redaction import Lookup
from tests.harness import Database, eventually_sync
from tests.harness.receiver import answering, client, effect, receiver
from tests.harness.running import Observed, Process, process, running
from tests.harness.service import Service, allow

HTTP = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def connected(daemon: Observed, sent: str = "") -> Iterator[socket.socket]:
    """Connect, and send a request that may be incomplete."""
    place = urlsplit(daemon.address)
    with socket.create_connection((place.hostname, place.port or 0), timeout=30) as connection:
        connection.sendall(sent.encode())
        yield connection


def said(connection: socket.socket) -> bytes:
    """Return all bytes that come until the connection is closed."""
    text = b""
    try:
        while part := connection.recv(65_536):
            text += part
    except ConnectionResetError:
        pass
    return text


def sends(service: Service, url: str) -> None:
    act = {"type": "webhook", "url": url}
    step = {"id": "send", "type": "execute", "execute": [act], "next": "release"}
    service.workflow(step, allow())


def limit(daemon: Process, files: int) -> None:
    """Limit the open files of the daemon's process."""
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (files, 4096))


async def test_three_hundred_idle_connections_fail_no_webhook(  # C32
    database: Database, tmp_path: Path
):
    service = Service(database)
    async with receiver(answering()) as here:
        sends(service, here.url())

        def work() -> None:
            with (
                process(database, tmp_path / "log", http_allow="localhost") as daemon,
                ExitStack() as idle,
            ):
                eventually_sync(daemon.ready)
                limit(daemon, 256)
                for _ in range(300):
                    idle.enter_context(connected(daemon))
                execution = service.start()
                row = service.ended(execution)
                assert (row["result"], row["error_message"]) == ("allowed", None)
                assert daemon.get("/livez")[0] == 200
                assert not daemon.said("http_accept_failed")

        await asyncio.to_thread(work)


async def test_shortage_of_files_does_not_count_as_an_attempt(
    database: Database, tmp_path: Path
):  # C32
    service = Service(database)
    async with receiver(answering()) as here:
        sends(service, here.url())

        def work() -> None:
            with process(database, tmp_path / "log", http_allow="localhost") as daemon:
                eventually_sync(daemon.ready)
                execution = service.start()
                service.ended(execution)  # files that are opened once are open
                limit(daemon, 3)  # a higher limit would leave room if a file was closed since
                execution = service.start()
                eventually_sync(lambda: daemon.said("effect_not_sent"))
                limit(daemon, 1024)
                assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(work)
    assert [request.headers["resumer-attempt"] for request in here.requests] == ["1", "1"]
    assert database.run("SELECT DISTINCT attempts, status FROM resumer.effects") == [(1, "done")]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_shortage_is_not_a_failure_of_the_receiver(number: int):  # C32
    class Short(httpcore2.AnyIOBackend):
        async def connect_tcp(self, *_given: object, **_named: object) -> object:  # type: ignore[override]
            try:
                try:
                    raise OSError(number, os.strerror(number))
                except OSError as error:
                    raise OSError("all failed") from ExceptionGroup("all", [error])
            except OSError as error:
                raise httpcore2.ConnectError from error

    async def resolver(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34"]

    async def short(_host: str, _port: int) -> list[str]:
        raise OSError(number, os.strerror(number))

    def unread(_name: str) -> str:
        raise OSError(number, os.strerror(number))

    none: dict[str, str] = {}
    cases: list[tuple[Guard, Lookup, str]] = [
        (Guard(resolver=resolver, backend=Short()), none.__getitem__, "https://h.example/"),
        (Guard(resolver=short), none.__getitem__, "https://h.example/"),
        (Guard(resolver=resolver), unread, "https://h.example/\ufdd0TOKEN\ufdd1"),
    ]
    for guard, secrets, url in cases:
        answer = await HttpClient(guard, secrets).send(effect(url), deadline=5)
        assert (answer.retry_class, answer.sent) == ("shortage", False)


async def test_refused_connection_is_not_a_shortage():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://localhost:{nobody.getsockname()[1]}/"
        answer = await client().send(effect(url), deadline=5)
    assert answer.retry_class == "connection"


def test_new_connection_replaces_the_longest_idle_one(database: Database):  # C32
    with running(database, http_connections=3) as daemon, ExitStack() as idle:
        first, second, third = (idle.enter_context(connected(daemon)) for _ in range(3))
        with connected(daemon, f"{HTTP}Connection: close\r\n\r\n") as fourth:
            assert said(fourth).startswith(b"HTTP/1.1 200 ")
        assert said(first) == b""
        for each in (second, third):
            each.sendall(f"{HTTP}Connection: close\r\n\r\n".encode())
            assert said(each).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "G",
        HTTP,
        f"{HTTP}Content-Length: 5\r\n\r\nab".replace("/livez", "/api/v1/hold"),
        f"{HTTP}\r\n{HTTP}",
    ],
    ids=["nothing", "a byte", "no end of its head", "no end of its body", "half of another"],
)
def test_client_that_sends_no_full_request_times_out(  # C32
    database: Database, monkeypatch: pytest.MonkeyPatch, sent: str
):
    with running(database) as daemon:
        monkeypatch.setattr("resumer_daemon.api.server.REQUEST", 0.2)
        with connected(daemon, sent) as connection:
            assert said(connection).count(b"HTTP/1.1 ") <= 1


def test_client_that_does_not_read_its_response_times_out(  # C32
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    with running(database) as daemon:
        monkeypatch.setattr("resumer_daemon.api.server.RESPONSE", 0.5)
        asks = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
        with connected(daemon) as connection:
            eventually_sync(lambda: daemon.daemon.server.connections == 1)
            connection.sendall(asks.encode())
            eventually_sync(lambda: daemon.daemon.server.connections == 0)


CHUNKED = "POST /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


# C38
@pytest.mark.parametrize("answered", [False, True])
def test_invalid_request_body_is_a_400_and_closes_the_connection(
    database: Database, capfd: pytest.CaptureFixture[str], answered: bool
):
    with running(database) as daemon:
        with connected(daemon, CHUNKED if answered else f"{CHUNKED}ZZ\r\n") as connection:
            first = b""
            if answered:
                while b"\r\n\r\n" not in first:
                    first += connection.recv(65_536)
                connection.sendall(b"ZZ\r\n")
            assert (first + said(connection)).startswith(
                b"HTTP/1.1 405" if answered else b"HTTP/1.1 400"
            )
        assert daemon.ready()
    printed = capfd.readouterr()
    assert "error" not in printed.out + printed.err
