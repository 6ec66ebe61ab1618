"""A request as it is sent: validated after rendering and with its secrets put in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from resumer_daemon import __version__
from resumer_daemon.effects.masking import Revealed
from resumer_daemon.effects.url import Url, read_url
from resumer_daemon.engine.outcome import Effect
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.url_templates import refusal
from resumer_daemon.workflow.values import Json, dump

LARGEST_BODY: Final = 4 * 1024 * 1024
HEADERS: Final = 64
LONGEST_HEADER: Final = 8192

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_METHODS_REFUSED: Final = frozenset({"CONNECT", "TRACE"})
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# Of the connection, of the framing, or of the daemon: a definition has no say in these.
_OURS: Final = frozenset(
    (
        *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "trailer", "upgrade"),
        *("transfer-encoding", "idempotency-key", "resumer-attempt"),
        *("webhook-id", "webhook-signature", "webhook-timestamp"),
    )
)


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What goes over the wire. It holds secrets and has no representation that shows them."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes


def prepare(effect: Effect, revealed: Revealed, trace: Mapping[str, str]) -> Request:
    """Build the request of an effect: from the same effect and trace always the same bytes.

    Raises:
        Fault: It cannot be sent as it is; the text shows references instead of secrets.
    """
    given = effect.request
    method = str(given.get("method") or "POST").upper()
    if not _TOKEN.fullmatch(method) or method in _METHODS_REFUSED:
        raise Fault(f"webhook: not a method: {mask_secrets(method)}")
    headers = _headers(given.get("headers") or {}, revealed)
    media_type = next((v for n, v in headers.items() if n.lower() == "content-type"), "")
    body = _body(given.get("body"), media_type, revealed)
    ours = {
        "Accept-Encoding": "identity",
        "User-Agent": f"resumer-daemon/{__version__}",
        **({"Content-Type": "application/json"} if body else {}),
        **trace,
    }
    named = {name.lower() for name in headers}
    headers |= {name: value for name, value in ours.items() if name.lower() not in named}
    if body or method not in _BODILESS:
        headers["Content-Length"] = str(len(body))
    url = _url(given.get("url"), revealed)
    headers |= {
        "Connection": "close",
        "Idempotency-Key": effect.key,
        "Resumer-Attempt": str(effect.attempt),
    }
    return Request(method, url, {"Host": url.authority, **headers}, body)


def _url(given: Json, revealed: Revealed) -> Url:
    try:
        return read_url(revealed.resolve_url(str(given)))
    except ValueError:
        raise Fault(f"webhook: {refusal(str(given))}") from None


def _headers(given: Json, revealed: Revealed) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > HEADERS:
        raise Fault(f"webhook: headers are no object of at most {HEADERS}")
    headers: dict[str, str] = {}
    for name, value in sorted(given.items()):
        text = str(revealed.resolve(value)).strip(" \t")
        if not _TOKEN.fullmatch(name) or _CONTROL.search(text) or len(text) > LONGEST_HEADER:
            raise Fault(f"webhook: not a header: {mask_secrets(name)}")
        if name.lower() in _OURS or name.lower() in map(str.lower, headers):
            raise Fault(f"webhook: not a header that can be set: {name}")
        headers[name] = text
    return headers


def _body(given: Json, media_type: str, revealed: Revealed) -> bytes:
    if given is None:
        return b""
    value = revealed.resolve(given)
    if isinstance(value, str) and media_type and "json" not in media_type.lower():
        text = value
    else:
        text = dump(_ordered(value))
    body = text.encode("utf-8", "replace")
    if len(body) > LARGEST_BODY:
        raise Fault(f"webhook: a body of more than {LARGEST_BODY:,} bytes")
    return body


def _ordered(value: Json) -> Json:
    """Return a value with all keys in order: jsonb, which keeps it meanwhile, has its own."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(member) for member in value] if isinstance(value, list) else value
