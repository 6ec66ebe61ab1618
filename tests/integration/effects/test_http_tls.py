"""TLS checks the name in the URL, although the connection uses a checked address."""

import ssl

import trustme

from tests.harness.receiver import answering, client, effect, receiver

AUTHORITY = trustme.CA()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def serving() -> tuple[ssl.SSLContext, list[str | None]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("pinned.example").configure_cert(context)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return context, names


async def test_tls_checks_the_name_although_the_address_is_pinned():
    context, names = serving()
    async with receiver(answering("ok"), tls=context) as here:
        sender = client(allow="pinned.example", trust=trusting())
        url = f"https://pinned.example:{here.port}/"
        answer = await sender.send(effect(url), deadline=5)
    assert answer.error is None
    assert names == ["pinned.example"]
    assert here.requests[0].headers["host"] == f"pinned.example:{here.port}"


async def test_certificate_for_another_name_is_refused():
    context, _ = serving()
    async with receiver(answering("ok"), tls=context) as here:
        sender = client(allow="other.example", trust=trusting())
        url = f"https://other.example:{here.port}/"
        answer = await sender.send(effect(url), deadline=5)
    assert answer.error is not None
    assert answer.error.startswith("webhook failed: certificate refused: Hostname mismatch")
    assert (answer.retry_class, answer.sent) == ("connection", False)


async def test_certificate_of_an_unknown_authority_is_refused():
    context, _ = serving()
    async with receiver(answering("ok"), tls=context) as here:
        answer = await client().send(effect(here.url(scheme="https")), deadline=5)
    assert answer.error is not None
    assert answer.error.startswith("webhook failed: certificate refused: ")
    assert here.requests == []
