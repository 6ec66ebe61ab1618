"""HTTP messages: prepare and sign a request, read a response within bounds.

Signatures have the Standard Webhooks form.
"""

import hmac
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore2

from resumer_daemon import __version__
from resumer_daemon.effects.redaction import SecretScope
from resumer_daemon.effects.urls import Url, read_url
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.errors import SettingsError
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.url_templates import refusal
from resumer_daemon.workflow.values import Json, UnreadableJson, dump, load, storable

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
class HttpRequest:
    """What goes over the wire. It holds secrets and has no representation that shows them."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes


def prepare_request(effect: Effect, revealed: SecretScope, trace: Mapping[str, str]) -> HttpRequest:
    """Build the request of an effect: from the same effect and trace always the same bytes.

    Raises:
        Fault: It cannot be sent as it is; the text shows references instead of secrets.
    """
    given = effect.request
    method = str(given.get("method") or "POST").upper()
    if not _TOKEN.fullmatch(method) or method in _METHODS_REFUSED:
        raise StepError(f"webhook: not a method: {mask_secrets(method)}")
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
    return HttpRequest(method, url, {"Host": url.authority, **headers}, body)


def _url(given: Json, revealed: SecretScope) -> Url:
    try:
        return read_url(revealed.resolve_url(str(given)))
    except ValueError:
        raise StepError(f"webhook: {refusal(str(given))}") from None


def _headers(given: Json, revealed: SecretScope) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > HEADERS:
        raise StepError(f"webhook: headers are no object of at most {HEADERS}")
    headers: dict[str, str] = {}
    for name, value in sorted(given.items()):
        text = str(revealed.resolve(value)).strip(" \t")
        if not _TOKEN.fullmatch(name) or _CONTROL.search(text) or len(text) > LONGEST_HEADER:
            raise StepError(f"webhook: not a header: {mask_secrets(name)}")
        if name.lower() in _OURS or name.lower() in map(str.lower, headers):
            raise StepError(f"webhook: not a header that can be set: {name}")
        headers[name] = text
    return headers


def _body(given: Json, media_type: str, revealed: SecretScope) -> bytes:
    if given is None:
        return b""
    value = revealed.resolve(given)
    if isinstance(value, str) and media_type and "json" not in media_type.lower():
        text = value
    else:
        text = dump(_ordered(value))
    body = text.encode("utf-8", "replace")
    if len(body) > LARGEST_BODY:
        raise StepError(f"webhook: a body of more than {LARGEST_BODY:,} bytes")
    return body


def _ordered(value: Json) -> Json:
    """Return a value with all keys in order: jsonb, which keeps it meanwhile, has its own."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(member) for member in value] if isinstance(value, list) else value


KEPT: Final = 64 * 1024
"""How many bytes of a response are kept; the rest is not read."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_WINDOWS: Final = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "windows-1252": "cp1252"}
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.-]+)", re.IGNORECASE)


@frozen
class HttpResult(EffectResult):
    """The result of an attempt; `sent` False means that not a byte of the request has left.

    `retry_after`: the seconds that the receiver asked to be left alone for.
    """

    retry_after: float | None = None


async def read_result(
    response: httpcore2.Response, revealed: SecretScope, now: float
) -> HttpResult:
    """Read a response; `now` is in seconds since 1970. Any status but a 2xx is a failure."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
    raw, cut = await _read(response, KEPT + revealed.longest)
    text, cut = _text(raw, cut, headers, revealed)
    data: dict[str, Json] = {"status_code": response.status, "response": None}
    if text is not None:
        data["response"] = _value(text, headers, revealed)
    if cut:
        data["response_truncated"] = True
    if 200 <= response.status <= 299:
        return HttpResult(data=data)
    return HttpResult(
        f"webhook answered {response.status}",
        str(response.status),
        data,
        retry_after=retry_after(headers.get("retry-after"), _dated(headers.get("date"), now)),
    )


def retry_after(given: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, from its number or its date."""
    if given is None:
        return None
    if _SECONDS.fullmatch(given.strip()):
        return float(given)
    at = _date(given)
    return None if at is None else max(0.0, at - now)


def _dated(given: str | None, now: float) -> float:
    """Return when an answer was given, by the receiver's clock: its dates are meant by that one."""
    at = None if given is None else _date(given)
    return now if at is None else at


def _date(given: str) -> float | None:
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


async def _read(response: httpcore2.Response, limit: int) -> tuple[bytes, bool]:
    """Return what comes first of a body, and whether there is more."""
    kept = bytearray()
    async with aclosing(response.aiter_stream()) as parts:
        async for part in parts:
            kept += part
            if len(kept) > limit:
                return bytes(kept[:limit]), True
    return bytes(kept), False


def _text(
    raw: bytes, cut: bool, headers: Mapping[str, str], revealed: SecretScope
) -> tuple[str | None, bool]:
    """Return a body as text without secrets, and whether that is not all of it."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        raw, more = _inflated(raw, KEPT + revealed.longest)
        cut = cut or more
    elif coding not in ("identity", ""):
        return None, cut
    found = _CHARSET.search(headers.get("content-type", ""))
    charset = _WINDOWS.get(found[1].lower(), "utf-8") if found else "utf-8"
    text = storable(revealed.mask(raw.decode(charset, "replace")))
    if cut and revealed.longest:
        # Where the cut may have gone through a secret.
        text = text[: -revealed.longest]
    return text[:KEPT], cut or len(text) > KEPT


def _inflated(raw: bytes, limit: int) -> tuple[bytes, bool]:
    """Return what comes first of a compressed body: however much it would become."""
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        return inflate.decompress(raw, limit), not inflate.eof
    except zlib.error:
        return b"", True


def _value(text: str, headers: Mapping[str, str], revealed: SecretScope) -> Json:
    """Return a text as JSON if it is that."""
    if "json" in headers.get("content-type", "").lower() or text.lstrip()[:1] in ("{", "["):
        try:
            return revealed.mask_within(load(text))
        except UnreadableJson:
            pass
    return text


_PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64


class Signer:
    """Signs requests with one secret, or with a new and an old one while they are exchanged."""

    def __init__(self, secrets: str) -> None:
        """Take `whsec_` and base64 of 24 to 64 bytes; several are separated by blanks.

        Raises:
            SettingsError: It is anything else. The message does not hold it.
        """
        self._keys = [_key(secret) for secret in secrets.split()]
        if not self._keys:
            raise _wrong()

    def headers(self, key: str, body: bytes, now: float) -> dict[str, str]:
        """Return the three headers; `now` is the time of this attempt in seconds since 1970."""
        sent_at = str(int(now))
        content = f"{key}.{sent_at}.".encode() + body
        signed = (b64encode(hmac.digest(each, content, "sha256")) for each in self._keys)
        return {
            "Webhook-Id": key,
            "Webhook-Timestamp": sent_at,
            "Webhook-Signature": " ".join(f"v1,{each.decode()}" for each in signed),
        }


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise _wrong() from None
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise _wrong()
    return key


def _wrong() -> SettingsError:
    return SettingsError("a webhook secret is whsec_ and base64 of 24 to 64 bytes")
