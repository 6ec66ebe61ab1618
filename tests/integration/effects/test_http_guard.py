"""Requests to non-public addresses are refused before a socket is opened."""

import json
import ssl
from pathlib import Path

import httpcore2
import pytest

from resumer_daemon.effects.address_guard import ByteCounter, Guard, GuardedBackend
from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.effects.http_client import HttpClient
from tests.harness.receiver import CountingBackend, answering, at_home, client, effect, receiver

HOSTILE = json.loads((Path(__file__).parents[2] / "data/hostile_urls.json").read_text())
URLS = [url for urls in HOSTILE.values() for url in urls]
OUTSIDE = "93.184.216.34"
NO_SECRETS: dict[str, str] = {}
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Nowhere(CountingBackend):
    """A backend that only notes where it would connect."""

    async def connect_tcp(self, host, port, *_args, **_named):
        self.connects.append((host, port))
        raise httpcore2.ConnectError


class Script:
    """A resolver with prepared results."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host, port):
        self.asked.append((host, port))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def outside(_host, _port):
    return [OUTSIDE]


def guarded(resolver, backend, allow="") -> HttpClient:
    guard = Guard(read_allow_list(allow), resolver=resolver, backend=backend)
    return HttpClient(guard, NO_SECRETS.__getitem__, trust=NOBODY)


def test_list_of_hostile_urls_is_long():
    assert len(set(URLS)) == len(URLS) >= 300


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_url_is_refused_without_a_connection(kind):
    backend = Nowhere()
    sender = guarded(at_home, backend)
    for url in HOSTILE[kind]:
        answer = await sender.send(effect(url), deadline=5)
        assert (answer.retry_class, answer.sent, answer.data) == ("fault", False, {}), url
        assert backend.connects == [], url


PLAIN_NAMES = {
    "loopback": 6,
    "link-local and metadata": 4,
    "names that lead inside": 13,
    "users, confusion about where the host ends": 1,
    "ports": 2,
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_url_is_refused_even_if_its_host_resolves_publicly(kind):
    """A socket is opened only for plain host names, which the resolver says are public."""
    connected = []
    for url in HOSTILE[kind]:
        backend = Nowhere()
        answer = await guarded(outside, backend).send(effect(url), deadline=5)
        hosts = [host for host, _ in backend.connects]
        assert (answer.retry_class, hosts) in (("fault", []), ("connection", [OUTSIDE])), url
        connected += hosts
    assert len(connected) == PLAIN_NAMES.get(kind, 0)


async def test_dns_rebinding_is_refused_at_the_second_attempt():
    backend, resolver = Nowhere(), Script([OUTSIDE], ["127.0.0.1"])
    sender = guarded(resolver, backend)
    first = await sender.send(effect("http://rebind.example/"), deadline=5)
    second = await sender.send(effect("http://rebind.example/", attempt=2), deadline=5)
    assert (first.retry_class, second.retry_class) == ("connection", "fault")
    assert backend.connects == [(OUTSIDE, 80)]
    assert resolver.asked == [("rebind.example", 80)] * 2


@pytest.mark.parametrize(
    "answers",
    [
        [OUTSIDE, "10.0.0.1"],
        ["2606:4700::1", "::1"],
        [OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, "169.254.169.254"],
        ["fe80::1%eth0"],
        ["127.1"],
        ["localhost"],
        [""],
    ],
)
async def test_one_refused_address_refuses_the_host(answers):
    backend = Nowhere()
    answer = await guarded(Script(answers), backend).send(effect("http://two.example/"), deadline=5)
    assert answer.retry_class == "fault"
    assert backend.connects == []


@pytest.mark.parametrize("nothing", [OSError("no such host"), []])
async def test_unresolved_host_is_a_connection_failure(nothing):
    backend = Nowhere()
    answer = await guarded(Script(nothing), backend).send(effect("http://a.example/"), deadline=5)
    assert answer.error == "webhook failed: a.example could not be looked up"
    assert (answer.retry_class, answer.sent) == ("connection", False)
    assert backend.connects == []


async def test_addresses_of_a_host_are_tried_in_turn():
    backend, resolver = Nowhere(), Script(["2606:4700::1", OUTSIDE])
    await guarded(resolver, backend).send(effect("https://both.example/"), deadline=5)
    assert backend.connects == [("2606:4700::1", 443), (OUTSIDE, 443)]


async def test_address_in_a_url_is_not_looked_up():
    backend, resolver = Nowhere(), Script()
    await guarded(resolver, backend).send(effect(f"http://{OUTSIDE}:8080/"), deadline=5)
    assert backend.connects == [(OUTSIDE, 8080)]


@pytest.mark.parametrize(
    "allow", ["localhost", "localhost:{port}", "127.0.0.0/8", "127.0.0.1:{port}"]
)
async def test_allowed_local_host_is_reached(allow):
    async with receiver(answering("ok")) as here:
        sender = client(allow=allow.format(port=here.port))
        answer = await sender.send(effect(here.url()), deadline=5)
    assert (answer.error, answer.data) == (None, {"status_code": 200, "response": "ok"})


@pytest.mark.parametrize(
    "allow", ["", "localhost:1", "127.0.0.1:1", "10.0.0.0/8", "host", "*.localhost"]
)
async def test_other_local_host_is_not_reached(allow):
    backend = Nowhere()
    answer = await guarded(at_home, backend, allow).send(effect("http://localhost:80/"), deadline=5)
    assert answer.error == (
        "webhook: localhost has a loopback address, which RESUMER_HTTP_ALLOW does not allow"
    )
    assert backend.connects == []


async def test_host_header_keeps_the_name_of_the_url():
    async with receiver(answering()) as here:
        backend = CountingBackend()
        sender = client(backend, allow="*.example")
        await sender.send(effect(f"http://Pinned.Example.:{here.port}/"), deadline=5)
    assert backend.connects == [("127.0.0.1", here.port)]
    assert here.requests[0].headers["host"] == f"pinned.example:{here.port}"


async def test_unix_socket_is_refused():
    backend = GuardedBackend(Guard(), ByteCounter())
    with pytest.raises(Exception, match="local address"):
        await backend.connect_unix_socket("/var/run/docker.sock")
