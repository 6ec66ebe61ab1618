"""The bytes of a request, and the result of its response."""

import hmac
import re
from base64 import b64decode, b64encode
from decimal import Decimal

import pytest

from resumer_daemon.effects.http_message import HttpResult, Signer
from tests.harness.receiver import Received, answering, client, effect, receiver, saying, secret

REFUSED = re.compile("webhook: (not a (header|method|URL)|headers are|no secret|a body)")
NOW = 1_800_000_000.0


async def sent(*behaviours, times=1, sender=None, **request) -> tuple[list[Received], HttpResult]:
    """Return the received requests and the last result."""
    async with receiver(*behaviours or (answering(),)) as here:
        for attempt in range(1, times + 1):
            rendered = effect(here.url(request.get("path", "/")), attempt=attempt, **request)
            answer = await (sender or client()).send(rendered, deadline=5)
    return here.requests, answer


async def test_request_has_the_expected_headers_and_body():
    (request,), answer = await sent(
        method="put", headers={"X-A": "b"}, body={"b": Decimal("1.50"), "a": "ü"}
    )
    assert answer.error is None
    assert request.head.startswith(b"PUT / HTTP/1.1\r\nHost: localhost:")
    assert request.body == '{"a":"ü","b":1.50}'.encode()
    assert request.headers | {"host": "", "user-agent": ""} == {
        "host": "",
        "user-agent": "",
        "x-a": "b",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": "19",
        "connection": "close",
        "idempotency-key": "key1",
        "resumer-attempt": "1",
    }


async def test_attempts_send_the_same_bytes_and_key():
    flaky = [answering(status=503), saying(b""), answering()]
    requests, answer = await sent(*flaky, times=3, body={"b": [1, {"z": 1, "y": 2}], "a": 2})
    assert answer.error is None
    assert len({request.body for request in requests}) == 1
    assert [request.headers["resumer-attempt"] for request in requests] == ["1", "2", "3"]
    assert len({r.head.replace(b"Attempt: %d" % n, b"") for n, r in enumerate(requests, 1)}) == 1


async def test_body_does_not_depend_on_the_key_order_of_jsonb():
    async with receiver(answering()) as here:
        for body, headers in (
            ({"b": {"dd": 1, "c": 2}, "aa": 3}, {"X-B": "1", "A": "2"}),
            ({"aa": 3, "b": {"c": 2, "dd": 1}}, {"A": "2", "X-B": "1"}),
        ):
            await client().send(effect(here.url(), body=body, headers=headers), deadline=5)
    first, second = here.requests
    assert (first.head, first.body) == (second.head, second.body)


async def test_request_is_signed_as_standard_webhooks_require():
    new, old = b"n" * 24, b"o" * 32
    signer = Signer(" ".join(f"whsec_{b64encode(key).decode()}" for key in (new, old)))
    sender = client(signer=signer, clock=lambda: NOW)
    (request,), _ = await sent(sender=sender, body={"a": 1})
    headers = request.headers
    assert headers["webhook-id"] == headers["idempotency-key"] == "key1"
    assert headers["webhook-timestamp"] == "1800000000"
    signatures = [each.removeprefix("v1,") for each in headers["webhook-signature"].split()]
    content = b"key1.1800000000." + request.body
    assert [b64decode(each) for each in signatures] == [
        hmac.digest(key, content, "sha256") for key in (new, old)
    ]


async def test_request_without_signing_secret_is_not_signed():
    (request,), _ = await sent()
    assert not [name for name in request.headers if name.startswith("webhook-")]


@pytest.mark.parametrize(
    ("given", "media_type", "body"),
    [
        (None, None, b""),
        ("text", None, b'"text"'),
        ("a=b&c=d", "application/x-www-form-urlencoded", b"a=b&c=d"),
        ("<a/>", "text/xml; charset=utf-8", b"<a/>"),
        ("text", "application/problem+json", b'"text"'),
        ([1, None, True], "text/plain", b"[1,null,true]"),
        (0, None, b"0"),
    ],
)
async def test_body_is_json_unless_a_text_has_another_type(given, media_type, body):
    headers = {"content-type": media_type} if media_type else {}
    (request,), _ = await sent(body=given, headers=headers)
    assert request.body == body
    assert request.headers["content-length"] == str(len(body))
    kind = "application/json" if given is not None else None
    assert request.headers.get("content-type") == (media_type or kind)


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        (answering('{"a": 1.50}'), {"a": Decimal("1.50")}),
        (answering("1" + "0" * 30, headers=("Content-Type: application/json",)), 10**30),
        (answering("[]", headers=("Content-Type: text/plain",)), []),
        (answering("7", headers=("Content-Type: application/json",)), 7),
        (answering("7"), "7"),
        (answering("{broken"), "{broken"),
        (answering("[" * 5000), "[" * 5000),
        (answering(""), ""),
        (answering(body=b"\xff\x00ok"), "\ufffd\ufffdok"),
        (answering(body=b"\xe9", headers=("Content-Type: text/plain; charset=latin-1",)), "é"),
        (answering(body=b"ok", headers=("Content-Type: text/plain; charset=idna",)), "ok"),
        (answering(body=b"ok", headers=("Content-Encoding: br",)), None),
        (answering(body=b"no gzip", headers=("Content-Encoding: gzip",)), ""),
        (saying(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes"), "until it closes"),
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), ""),
        (saying(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n"), ""),
    ],
)
async def test_response_is_json_if_possible_or_text(answer, response):
    _, result = await sent(answer)
    assert result.error is None
    assert result.data["response"] == response


@pytest.mark.parametrize("status", [199, 304, 400, 404, 409, 422, 429, 500, 503, 599])
async def test_every_status_but_2xx_is_a_failure(status):
    behaviour = answering("no", status=status) if status not in (199, 304) else None
    behaviour = behaviour or saying(b"HTTP/1.1 %d X\r\n\r\n" % status)
    _, answer = await sent(behaviour)
    if status == 199:  # an interim answer, and then none
        assert (answer.error, answer.retry_class) == (
            "webhook failed: not a valid HTTP response",
            "connection",
        )
        return
    assert (answer.error, answer.retry_class) == (f"webhook answered {status}", str(status))
    assert answer.data["status_code"] == status


async def test_switching_protocols_is_a_failure():
    _, answer = await sent(saying(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
    assert answer.retry_class in ("101", "connection")


async def test_retry_after_is_read_from_the_response():
    _, answer = await sent(answering(status=503, headers=("Retry-After: 120",)))
    assert (answer.retry_class, answer.retry_after) == ("503", 120.0)


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"X-A": "b\r\nX-Admin: 1"}},
        {"headers": {"X-A": "b\nc"}},
        {"headers": {"X-A": "b\x00"}},
        {"headers": {"X-A\r\nX-B": "b"}},
        {"headers": {"X A": "b"}},
        {"headers": {"": "b"}},
        {"headers": {"X-A": "b", "x-a": "c"}},
        {"headers": {"X-A": "b" * 8193}},
        {"headers": {f"X-{n}": "b" for n in range(65)}},
        {"headers": ["X-A"]},
        {"headers": {"X-A": secret("NEWLINE")}},
        *(
            {"headers": {name: "1"}}
            for name in (
                "Host",
                "content-length",
                "Transfer-Encoding",
                "CONNECTION",
                "Idempotency-Key",
                "webhook-signature",
                "Resumer-Attempt",
                "Expect",
                "Upgrade",
                "Proxy-Authorization",
            )
        ),
        {"method": "GET / HTTP/1.1\r\nX:"},
        {"method": "CONNECT"},
        {"method": "trace"},
        {"path": "/\r\nX-Admin: 1"},
        {"path": "/ HTTP/1.1"},
        {"path": "/" + "a" * 8193},
        {"path": "/" + secret("UNKNOWN")},
        {"body": secret("UNKNOWN")},
        {"body": "a" * 4_200_000},
    ],
)
async def test_request_injection_is_not_sent(request_):
    sender = client(secrets={"NEWLINE": "canary\r\nX-Admin: 1"})
    requests, answer = await sent(sender=sender, **request_)
    assert requests == []
    assert (answer.retry_class, answer.sent) == ("fault", False)
    assert REFUSED.match(answer.error or "")
    assert "canary" not in repr(answer)


async def test_secret_in_a_path_is_encoded():  # C15
    sender = client(secrets={"NEWLINE": "a/b c\r\nX-Admin: 1"})
    (request,), _ = await sent(sender=sender, path="/" + secret("NEWLINE"))
    assert request.head.startswith(b"POST /a%2Fb%20c%0D%0AX-Admin%3A%201 HTTP/1.1\r\nHost:")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary@localhost/",
        "http://canary@localhost:1/",
        "http://user:ca/nary@localhost/",
        "ftp://user:canary@localhost/ x",
        f"http://{secret('USER')}:canary@localhost/",
    ],
)
async def test_url_with_a_password_is_refused_and_not_shown(url):  # C15
    answer = await client(secrets={"USER": "canary"}).send(effect(url), deadline=5)
    assert (answer.retry_class, answer.sent) == ("fault", False)
    assert str(answer.error).startswith("webhook: ")
    assert "nary" not in repr(answer)


async def test_each_attempt_opens_a_connection():
    async with receiver(answering()) as here:
        sender = client()
        for _ in range(3):
            await sender.send(effect(here.url()), deadline=5)
    assert len(here.requests) == 3


async def test_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login ann password pw")
    netrc.chmod(0o600)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(netrc))
    (request,), answer = await sent()
    assert answer.error is None
    assert "authorization" not in request.headers
