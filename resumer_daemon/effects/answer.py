"""The answer to an attempt, read within bounds."""

import re
import zlib
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore2

from resumer_daemon.effects.masking import Revealed
from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json, Unreadable, load, storable

KEPT: Final = 64 * 1024
"""How many bytes of a response are kept; the rest is not read."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_WINDOWS: Final = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "windows-1252": "cp1252"}
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.-]+)", re.IGNORECASE)


@frozen
class Answer(EffectResult):
    """The result of an attempt; `sent` False means that not a byte of the request has left.

    `retry_after`: the seconds that the receiver asked to be left alone for.
    """

    retry_after: float | None = None


async def read_answer(response: httpcore2.Response, revealed: Revealed, now: float) -> Answer:
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
        return Answer(data=data)
    return Answer(
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
    raw: bytes, cut: bool, headers: Mapping[str, str], revealed: Revealed
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


def _value(text: str, headers: Mapping[str, str], revealed: Revealed) -> Json:
    """Return a text as JSON if it is that."""
    if "json" in headers.get("content-type", "").lower() or text.lstrip()[:1] in ("{", "["):
        try:
            return revealed.mask_within(load(text))
        except Unreadable:
            pass
    return text
