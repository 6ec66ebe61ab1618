"""Durations: the only parser and the only formatters.

The parser reads Go's form with days and weeks (`1h30m`, `2d`), ISO 8601, or seconds. durationpy is
not used, because it accepts `3y` and even `1h ? 2m`.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|w)")
_WHOLE: Final = re.compile(rf"\+?(?:{_PART.pattern})+")
_NUMBER: Final = r"([0-9]+(?:[.,][0-9]+)?)"
# Years and months are left out, because they have no fixed length.
_ISO: Final = re.compile(
    rf"P(?=.)(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)
_ISO_UNITS: Final = "w", "d", "h", "m", "s"
_LONGEST_TEXT: Final = 100
_GO_MAXIMUM: Final = 2**63 - 1

LONGEST: Final = _GO_MAXIMUM / 1e9
"""The longest duration in seconds: 292 years."""

EXPECTED: Final = "a duration such as 90s, 1h30m, 2d or PT48H, or a number of seconds"
"""The forms that a message names."""


def parse_duration(written: object) -> float | None:
    """Return the seconds of a duration; None if it is invalid or not positive.

    A number means seconds. A text that is only a number has no unit, and is invalid.
    """
    if isinstance(written, int | Decimal) and not isinstance(written, bool):
        return _seconds([(written, "s")]) if 0 < written <= LONGEST else None
    if not isinstance(written, str) or len(written) > _LONGEST_TEXT:
        return None
    if _WHOLE.fullmatch(written):
        return _seconds((Decimal(number), unit) for number, unit in _PART.findall(written))
    if iso := _ISO.fullmatch(written):
        found = zip(iso.groups(), _ISO_UNITS, strict=True)
        return _seconds((Decimal(n.replace(",", ".")), unit) for n, unit in found if n)
    return None


def _seconds(parts: Iterable[tuple[Decimal | int, str]]) -> float | None:
    nanoseconds = int(sum(number * _NANOSECONDS[unit] for number, unit in parts))
    return nanoseconds / 1e9 if 0 < nanoseconds <= _GO_MAXIMUM else None


_UNITS: Final = (("h", 3_600), ("m", 60))


def format_duration(seconds: float) -> str:
    """Return a duration as Go writes it: `1h30m`, `45s`, `1.5s`, `250ms`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    text = ""
    for unit, size in _UNITS:
        if seconds >= size:
            text += f"{int(seconds // size)}{unit}"
            seconds %= size
    return f"{text}{seconds:.9g}s" if seconds or not text else text


_AGES: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def format_age(seconds: float) -> str:
    """Return an age in its largest unit, rounded: `2d`, `47h`, `5m`, `1.5s`."""
    for unit, size in _AGES:
        if seconds >= size * 0.999:  # a second less than two days is two days
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s"
