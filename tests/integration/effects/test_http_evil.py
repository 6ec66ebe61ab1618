"""Hostile responses: an attempt ends by its deadline and reads a limited number of bytes."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from resumer_daemon.effects.address_guard import MAX_RECEIVED
from resumer_daemon.effects.http_client import Timeouts
from resumer_daemon.effects.http_message import MAX_KEPT, HttpResult
from tests.harness import eventually
from tests.harness.receiver import (
    CountingBackend,
    answering,
    client,
    dripping,
    effect,
    flooding,
    listening,
    receiver,
    saying,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\n"
ONE_READ = 16 * 1024
MOST = MAX_RECEIVED + ONE_READ
DEADLINE = 0.5


async def half_closed(writer):
    """Close the sending half only."""
    writer.write(OK)
    writer.write_eof()
    await asyncio.Event().wait()


async def resets(writer):
    writer.transport.abort()


async def resets_in_the_middle(writer):
    writer.write(OK + b"Content-Length: 1000\r\n\r\nstart")
    await writer.drain()
    writer.transport.abort()


TIMES_OUT = {
    "headers drip": dripping(OK, b"X-A: b\r\n"),
    "a header without end drips": dripping(OK + b"X-A: ", b"b"),
    "the body drips": dripping(OK + b"Content-Length: 1000000\r\n\r\n", b"b"),
    "chunks drip": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nb\r\n"),
    "1xx drip": dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "never answers": silent,
    "the body never comes": dripping(OK + b"Content-Length: 5\r\n\r\n", b""),
}

BREAKS = {
    "half-closed": half_closed,
    "closes at once": saying(b""),
    "1xx flood": flooding(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 500),
    "Content-Length too large": saying(OK + b"Content-Length: 1000\r\n\r\nshort"),
    "Content-Length negative": saying(OK + b"Content-Length: -1\r\n\r\nx"),
    "Content-Length twice": saying(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "Content-Length of 5,000 digits": saying(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    "garbage": saying(b"\x00\xff\x16\x03\x01garbage" * 10 + b"\r\n\r\n"),
    "a flood of garbage": flooding(b"", b"\xff" * 4096),
    "another protocol": saying(b"220 mail.example ESMTP\r\n"),
    "HTTP/0.9": saying(b"<html>hello</html>\r\n\r\n"),
    "reset": resets,
    "reset in the middle": resets_in_the_middle,
    "a huge header": flooding(OK + b"X-A: ", b"b" * 4096),
    "headers without end": flooding(OK, b"X-A: b\r\n" * 500),
    "a huge status line": flooding(b"HTTP/1.1 200 ", b"b" * 4096),
    "a bad chunk": saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a chunk of 2**100": saying(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 25 + b"\r\n"),
    "chunk extensions without end": flooding(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 4000 + b"\r\nb\r\n"
    ),
    "trailers without end": flooding(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 500
    ),
    "an unknown coding": saying(OK + b"Transfer-Encoding: snake\r\n\r\nx"),
}


async def attempt(behaviour, deadline=60.0) -> tuple[HttpResult, int]:
    """Return the result and the number of received bytes."""
    backend = CountingBackend()
    async with receiver(behaviour) as here:
        async with asyncio.timeout(90):
            answer = await client(backend).send(effect(here.url()), deadline=deadline)
    assert len(here.requests) <= 1
    return answer, backend.received


@pytest.mark.parametrize("behaviour", TIMES_OUT.values(), ids=TIMES_OUT)
async def test_endless_response_times_out(behaviour):
    answer, received = await attempt(behaviour, DEADLINE)
    assert (answer.retry_class, answer.sent) == ("timeout", True)
    assert answer.error == "webhook timed out: no complete response before the deadline"
    assert received <= MOST


@pytest.mark.parametrize("behaviour", BREAKS.values(), ids=BREAKS)
async def test_invalid_response_is_a_connection_failure(behaviour):
    answer, received = await attempt(behaviour)
    assert answer.error in {
        "webhook failed: not a valid HTTP response",
        "webhook failed: the connection broke",
        "webhook failed: the response is too large",
    }
    assert (answer.retry_class, answer.sent, answer.data) == ("connection", True, {})
    assert received <= MOST


@pytest.mark.parametrize(
    "start",
    [b"\r\n", b"Content-Length: 1000000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"],
    ids=["until closed", "by length", "in chunks"],
)
async def test_endless_body_is_truncated(start):
    wave = b"b" * 4096
    wave = b"1000\r\n" + wave + b"\r\n" if b"chunked" in start else wave
    answer, received = await attempt(flooding(OK + start, wave))
    assert answer.error is None
    assert answer.data == {
        "status_code": 200,
        "response": "b" * MAX_KEPT,
        "response_truncated": True,
    }
    assert received <= MAX_KEPT + 3 * ONE_READ


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
async def test_compressed_bomb_is_truncated_in_little_memory(pack):
    bomb = pack(b"b" * 20_000_000)
    coding = "gzip" if pack is gzip.compress else "deflate"
    tracemalloc.start()
    answer, received = await attempt(answering(body=bomb, headers=(f"Content-Encoding: {coding}",)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.error is None
    assert peak < 2_000_000
    assert answer.data["response"] == "b" * MAX_KEPT
    assert answer.data["response_truncated"] is True
    assert received <= MAX_KEPT + ONE_READ


async def test_doubly_compressed_body_is_not_unpacked():
    bomb = gzip.compress(gzip.compress(b"b" * 20_000_000))
    answer, _ = await attempt(answering(body=bomb, headers=("Content-Encoding: gzip, gzip",)))
    assert answer.data == {"status_code": 200, "response": None}


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_redirects_are_not_followed(status):
    async with receiver(answering(status=status, headers=("Location: /again",))) as here:
        answer = await client().send(effect(here.url()), deadline=5)
    assert (answer.error, answer.retry_class) == (f"webhook answered {status}", str(status))
    assert len(here.requests) == 1


async def test_receiver_that_does_not_read_times_out():
    async def deaf(_reader, writer):
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with listening(deaf) as port, asyncio.timeout(15):
        sent = effect(f"http://localhost:{port}/", body="x" * 4_000_000)
        answer = await client().send(sent, deadline=DEADLINE)
    assert (answer.retry_class, answer.sent) == ("timeout", True)


async def test_endless_tls_handshake_times_out_and_closes_its_connection():
    closed = asyncio.Event()

    async def mute(reader, _writer):
        await reader.read(-1)
        closed.set()

    async with listening(mute) as port, asyncio.timeout(15):
        answer = await client().send(effect(f"https://localhost:{port}/"), deadline=DEADLINE)
        assert (answer.retry_class, answer.sent) == ("timeout", False)
        await closed.wait()


async def test_receiver_without_tls_is_a_connection_failure():
    async def greets(_reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        await asyncio.Event().wait()

    async with listening(greets) as port:
        answer = await client().send(effect(f"https://localhost:{port}/"), deadline=5)
    assert (answer.error, answer.retry_class) == ("webhook failed: no TLS", "connection")
    assert not answer.sent


async def test_closed_port_is_a_connection_failure():
    async with receiver(silent) as here:
        url = here.url()
    answer = await client().send(effect(url), deadline=5)
    assert answer.error == "webhook failed: no connection"
    assert (answer.retry_class, answer.sent) == ("connection", False)


async def test_endless_lookup_ends_at_the_deadline():
    async def hangs(_host, _port):
        await asyncio.Event().wait()

    async with asyncio.timeout(15):
        sent = effect("http://slow.example/")
        answer = await client(resolver=hangs).send(sent, deadline=DEADLINE)
    assert (answer.retry_class, answer.sent) == ("timeout", False)


async def test_first_byte_has_a_timeout_of_its_own():
    async with receiver(silent) as here, asyncio.timeout(15):
        patience = Timeouts(first_byte=0.1)
        answer = await client(timeouts=patience).send(effect(here.url()), deadline=3600)
    assert (answer.error, answer.retry_class) == ("webhook timed out: no response", "timeout")


async def test_connecting_has_a_timeout_of_its_own():
    class Blackhole(CountingBackend):
        async def connect_tcp(self, *_args, **_named):
            await asyncio.Event().wait()

    async with asyncio.timeout(15):
        patient = client(Blackhole(), timeouts=Timeouts(connect=0.1))
        answer = await patient.send(effect("http://localhost/"), deadline=3600)
    assert (answer.error, answer.sent) == ("webhook timed out: no connection", False)


async def test_attempt_with_deadline_zero_sends_nothing():
    async with receiver(answering()) as here:
        answer = await client().send(effect(here.url()), deadline=0)
    assert (answer.retry_class, answer.sent) == ("timeout", False)
    assert here.requests == []


async def test_cancelled_attempt_raises():
    async with receiver(silent) as here:
        sending = asyncio.create_task(client().send(effect(here.url()), deadline=15))
        await eventually(lambda: here.requests)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
