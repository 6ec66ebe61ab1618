"""Prepare and sign an HTTP request, and read a response within limits.

Signatures follow Standard Webhooks.
"""

import hmac
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore2

from resumer_daemon import __version__
from resumer_daemon.config import webhook_keys
from resumer_daemon.effects.redaction import SecretScope
from resumer_daemon.effects.urls import Url, read_url
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.url_templates import refusal
from resumer_daemon.workflow.values import Json, UnreadableJson, dump, load, storable

MAX_BODY: Final = 4 * 1024 * 1024
MAX_HEADERS: Final = 64
MAX_HEADER_LENGTH: Final = 8192

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# headers of the connection, of the framing or of the daemon, which a definition cannot set
_RESERVED: Final = frozenset(
    (
        *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "trailer", "upgrade"),
        *("transfer-encoding", "idempotency-key", "resumer-attempt"),
        *("webhook-id", "webhook-signature", "webhook-timestamp"),
    )
)


@dataclass(frozen=True, slots=True, repr=False)
class HttpRequest:
    """An HTTP request. It holds secrets, so it has no representation that shows them."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes


def prepare_request(effect: Effect, secrets: SecretScope, trace: Mapping[str, str]) -> HttpRequest:
    """Build the request of an effect. The same effect and trace give the same bytes.

    Raises:
        StepError: It is invalid. The text shows references instead of secrets.
    """
    given = effect.request
    method = str(given.get("method") or "POST").upper()
    if not _TOKEN.fullmatch(method) or method in _REFUSED_METHODS:
        raise StepError(f"webhook: not a method: {mask_secrets(method)}")
    headers = _headers(given.get("headers") or {}, secrets)
    media_type = next((v for n, v in headers.items() if n.lower() == "content-type"), "")
    body = _body(given.get("body"), media_type, secrets)
    defaults = {
        "Accept-Encoding": "identity",
        "User-Agent": f"resumer-daemon/{__version__}",
        **({"Content-Type": "application/json"} if body else {}),
        **trace,
    }
    names = {name.lower() for name in headers}
    headers |= {name: value for name, value in defaults.items() if name.lower() not in names}
    if body or method not in _BODILESS:
        headers["Content-Length"] = str(len(body))
    url = _url(given.get("url"), secrets)
    headers |= {
        "Connection": "close",
        "Idempotency-Key": effect.key,
        "Resumer-Attempt": str(effect.attempt),
    }
    return HttpRequest(method, url, {"Host": url.authority, **headers}, body)


def _url(given: Json, secrets: SecretScope) -> Url:
    try:
        return read_url(secrets.resolve_url(str(given)))
    except ValueError:
        raise StepError(f"webhook: {refusal(str(given))}") from None


def _headers(given: Json, secrets: SecretScope) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > MAX_HEADERS:
        raise StepError(f"webhook: headers are not an object with at most {MAX_HEADERS} entries")
    headers: dict[str, str] = {}
    for name, value in sorted(given.items()):
        text = str(secrets.resolve(value)).strip(" \t")
        if not _TOKEN.fullmatch(name) or _CONTROL.search(text) or len(text) > MAX_HEADER_LENGTH:
            raise StepError(f"webhook: not a header: {mask_secrets(name)}")
        if name.lower() in _RESERVED or name.lower() in map(str.lower, headers):
            raise StepError(f"webhook: not a header that can be set: {name}")
        headers[name] = text
    return headers


def _body(given: Json, media_type: str, secrets: SecretScope) -> bytes:
    if given is None:
        return b""
    value = secrets.resolve(given)
    if isinstance(value, str) and media_type and "json" not in media_type.lower():
        text = value
    else:
        text = dump(_ordered(value))
    body = text.encode("utf-8", "replace")
    if len(body) > MAX_BODY:
        raise StepError(f"webhook: a body of more than {MAX_BODY:,} bytes")
    return body


def _ordered(value: Json) -> Json:
    """Return a value with sorted keys, because jsonb, which stores it, has another order."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(member) for member in value] if isinstance(value, list) else value


MAX_KEPT: Final = 64 * 1024
"""Bytes of a response that are kept. The rest is not read."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_WINDOWS: Final = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "windows-1252": "cp1252"}
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.-]+)", re.IGNORECASE)


class HttpResult(EffectResult):
    """The result of an attempt. `sent` is False if no byte of the request was sent.

    `retry_after`: the seconds that the receiver asks to wait, None if it does not ask.
    """

    retry_after: float | None = None


async def read_result(response: httpcore2.Response, secrets: SecretScope, now: float) -> HttpResult:
    """Read a response. Every status but 2xx is a failure. `now` is in seconds since 1970."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
    raw, truncated = await _read(response, MAX_KEPT + secrets.longest)
    text, truncated = _text(raw, truncated, headers, secrets)
    data: dict[str, Json] = {"status_code": response.status, "response": None}
    if text is not None:
        data["response"] = _value(text, headers, secrets)
    if truncated:
        data["response_truncated"] = True
    if 200 <= response.status <= 299:
        return HttpResult(data=data)
    return HttpResult(
        f"webhook answered {response.status}",
        str(response.status),
        data,
        retry_after=retry_after(
            headers.get("retry-after"), _response_time(headers.get("date"), now)
        ),
    )


def retry_after(given: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, as a number or a date."""
    if given is None:
        return None
    if _SECONDS.fullmatch(given.strip()):
        return float(given)
    date = _parse_date(given)
    return None if date is None else max(0.0, date - now)


def _response_time(given: str | None, now: float) -> float:
    """Return the time of a response on the receiver's clock, to which its dates refer."""
    date = None if given is None else _parse_date(given)
    return now if date is None else date


def _parse_date(given: str) -> float | None:
    try:
        date = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


async def _read(response: httpcore2.Response, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of a body, and whether there are more."""
    kept = bytearray()
    async with aclosing(response.aiter_stream()) as parts:
        async for part in parts:
            kept += part
            if len(kept) > limit:
                return bytes(kept[:limit]), True
    return bytes(kept), False


def _text(
    raw: bytes, truncated: bool, headers: Mapping[str, str], secrets: SecretScope
) -> tuple[str | None, bool]:
    """Return a body as text without secrets, and whether it is truncated. None: unknown coding."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        raw, more = _inflate(raw, MAX_KEPT + secrets.longest)
        truncated = truncated or more
    elif coding not in ("identity", ""):
        return None, truncated
    found = _CHARSET.search(headers.get("content-type", ""))
    charset = _WINDOWS.get(found[1].lower(), "utf-8") if found else "utf-8"
    text = storable(secrets.mask(raw.decode(charset, "replace")))
    if truncated and secrets.longest:
        # the end may be the first part of a secret
        text = text[: -secrets.longest]
    return text[:MAX_KEPT], truncated or len(text) > MAX_KEPT


def _inflate(raw: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of a compressed body, and whether there are more."""
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        return inflate.decompress(raw, limit), not inflate.eof
    except zlib.error:
        return b"", True


def _value(text: str, headers: Mapping[str, str], secrets: SecretScope) -> Json:
    """Return the JSON value of a text, or the text itself if it is not JSON."""
    if "json" in headers.get("content-type", "").lower() or text.lstrip()[:1] in ("{", "["):
        try:
            return secrets.mask_within(load(text))
        except UnreadableJson:
            pass
    return text


class Signer:
    """Signs requests with one secret, or with the new and the old one during a rotation."""

    def __init__(self, secrets: str) -> None:
        """Parse secrets: `whsec_` and base64 of 24 to 64 bytes each, separated by blanks.

        Raises:
            ValueError: A secret is malformed. The message does not quote it.
        """
        self._keys = webhook_keys(secrets)

    def headers(self, key: str, body: bytes, now: float) -> dict[str, str]:
        """Return the three headers. `now` is the time of the attempt in seconds since 1970."""
        sent_at = str(int(now))
        content = f"{key}.{sent_at}.".encode() + body
        signed = (b64encode(hmac.digest(secret, content, "sha256")) for secret in self._keys)
        return {
            "Webhook-Id": key,
            "Webhook-Timestamp": sent_at,
            "Webhook-Signature": " ".join(f"v1,{each.decode()}" for each in signed),
        }
