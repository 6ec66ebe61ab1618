"""A secret is sent, and appears in no result, no error and no log."""

import gzip
import json
import logging
import re
from typing import Any

import pytest

from tests.harness.receiver import (
    answering,
    client,
    effect,
    flooding,
    receiver,
    saying,
    secret,
    silent,
)

CANARY = 'cAnary-"7\\/+ü? s3cret'
PLAIN = "plain-canary-4711"
SECRETS = {"TOKEN": CANARY, "PLAIN": PLAIN}

REQUEST: dict[str, Any] = {
    "headers": {"Authorization": f"Bearer {secret('PLAIN')}"},
    "body": {"token": secret("TOKEN"), "plain": secret("PLAIN")},
}

OK = b"HTTP/1.1 200 OK\r\n"
ECHOES = {
    "as it is": answering(f"you said {CANARY} and {PLAIN}"),
    "upper case": answering(PLAIN.upper()),
    "JSON": answering(json.dumps({"token": CANARY, PLAIN: [PLAIN]})),
    "JSON with every character escaped": answering(
        '{"a": "' + "".join(f"\\u{ord(c):04x}" for c in PLAIN) + '"}'
    ),
    "JSON with a name whose characters are escaped": answering(
        '{"' + "".join(f"\\u{ord(c):04x}" for c in PLAIN) + '": 1}'
    ),
    "JSON unescaped": answering(json.dumps({"token": CANARY}, ensure_ascii=False)),
    "percent-encoded": answering("cAnary-%227%5C%2F%2B%C3%BC%3F%20s3cret"),
    "a form": answering("token=cAnary-%227%5C%2F%2B%C3%BC%3F+s3cret"),
    "compressed": answering(
        body=gzip.compress(PLAIN.encode()), headers=("Content-Encoding: gzip",)
    ),
    "a failure": answering(PLAIN, status=500),
    "a header": answering(headers=(f"X-Echo: {PLAIN}", f"Content-Type: {PLAIN}")),
    "a status line": saying(f"HTTP/1.1 200 {PLAIN}\r\nContent-Length: 0\r\n\r\n".encode()),
    "garbage": saying(f"{PLAIN}\r\n\r\n".encode()),
    "a bad header": saying(OK + f"{PLAIN} {PLAIN}\r\n\r\n".encode()),
    "a bad length": saying(OK + f"Content-Length: {PLAIN}\r\n\r\n".encode()),
    "a bad chunk": saying(OK + f"Transfer-Encoding: chunked\r\n\r\n{PLAIN}\r\n".encode()),
    "a redirect": answering(status=302, headers=(f"Location: http://{PLAIN}/",)),
    "when to come back": answering(status=503, headers=(f"Retry-After: {PLAIN}",)),
    "never": silent,
    "for ever": flooding(OK + b"\r\n", PLAIN.encode() * 100),
}


REFERENCE = "{{secrets.PLAIN}}"
PREFIXES = "|".join(re.escape(REFERENCE[:length]) for length in range(len(REFERENCE), 0, -1))
LEFT = re.compile(f"x+({PREFIXES})?y*")


def shown(value) -> str:
    return f"{value!r} {value}".lower()


@pytest.mark.parametrize("behaviour", ECHOES.values(), ids=ECHOES)
async def test_secrets_in_a_response_are_masked(behaviour, caplog):
    caplog.set_level(logging.DEBUG)
    async with receiver(behaviour) as here:
        url = here.url(f"/{secret('PLAIN')}?token={secret('PLAIN')}")
        answer = await client(secrets=SECRETS).send(effect(url, **REQUEST), deadline=0.5)
    (request,) = here.requests
    assert request.headers["authorization"] == f"Bearer {PLAIN}"
    assert json.loads(request.body) == {"token": CANARY, "plain": PLAIN}
    for text in (shown(answer), caplog.text.lower()):
        assert "canary" not in text
        assert "s3cret" not in text


@pytest.mark.parametrize("cut", range(len(PLAIN) + 2))
async def test_secret_at_the_truncation_is_removed(cut):
    for before in (64 * 1024 - cut, 64 * 1024 + len(CANARY) - cut):
        body = "x" * before + PLAIN + "y" * 200
        async with receiver(answering(body)) as here:
            sender = client(secrets=SECRETS)
            answer = await sender.send(effect(here.url(), **REQUEST), deadline=5)
        response = answer.data["response"]
        assert "plain" not in response
        assert LEFT.fullmatch(response)


async def test_secret_beyond_the_truncation_is_removed():
    """Masking shortens these secrets, so text from beyond the truncation moves before it."""
    long = "plain-canary-" * 20
    async with receiver(answering(long * 400)) as here:
        sender = client(secrets={"PLAIN": long})
        answer = await sender.send(effect(here.url(), **REQUEST | {"body": None}), deadline=5)
    assert answer.data["response_truncated"]
    assert answer.data["response"].startswith(REFERENCE * 100)
    assert "canary" not in answer.data["response"]


@pytest.mark.parametrize(
    "url",
    [
        f"http://{PLAIN}.example/{{}}",
        f"http://{secret('PLAIN')}.example/",
        f"http://user:{secret('PLAIN')}@localhost/",
        f"http://localhost:{secret('PLAIN')}/",
        f"file:///{secret('PLAIN')}",
        f"{secret('TOKEN')}",
        f"http://localhost/\n{secret('PLAIN')}",
    ],
)
async def test_refused_request_shows_no_secret(url, caplog):
    caplog.set_level(logging.DEBUG)
    rendered = effect(url, headers={"X-A": secret("PLAIN")})
    answer = await client(secrets=SECRETS, allow="").send(rendered, deadline=5)
    assert (answer.retry_class, answer.sent) == ("fault", False)
    if secret("PLAIN") in url or secret("TOKEN") in url:
        assert "canary" not in shown(answer) + caplog.text.lower()


async def test_unknown_secret_is_named_and_nothing_is_sent():
    async with receiver(answering()) as here:
        answer = await client().send(effect(here.url(), body=secret("NOBODYS")), deadline=5)
    assert answer.error == "webhook: no secret NOBODYS"
    assert here.requests == []


@pytest.mark.parametrize(
    "failure",
    [
        KeyError("TOKEN"),
        PermissionError("/run/secrets/TOKEN"),
        UnicodeDecodeError("utf-8", b"canary\xff", 6, 7, "invalid start byte"),
        "canary \udcff",
    ],
    ids=["unknown", "unreadable", "no text in the file", "no text in the environment"],
)
async def test_unreadable_secret_is_a_fault(failure):
    def lookup(_name):
        if isinstance(failure, str):
            return failure
        raise failure

    sender = client(lookup=lookup)
    answer = await sender.send(effect("http://localhost/", body=secret("TOKEN")), deadline=5)
    assert (answer.error, answer.retry_class) == ("webhook: no secret TOKEN", "fault")
