"""Go durations (`30s`, `1h30m`, `1.5h`, `250ms`), exactly as Go reads them.

durationpy is not used: it takes `1d`, `2w`, `3y` and even `1h ? 2m`, which the service refuses.
"""

import re
from decimal import Decimal
from typing import Final

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_WHOLE = re.compile(rf"\+?(?:{_PART.pattern})+")
_LONGEST_TEXT = 100
_GO_MAXIMUM = 2**63 - 1

LONGEST: Final = _GO_MAXIMUM / 1e9
"""How many seconds a duration can have: 292 years."""


def seconds(text: object) -> float | None:
    """Return the seconds of a duration; None when it is not understood or not positive."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not _WHOLE.fullmatch(text):
        return None
    parts = ((Decimal(number), _NANOSECONDS[unit]) for number, unit in _PART.findall(text))
    nanoseconds = int(sum(number * unit for number, unit in parts))
    return nanoseconds / 1e9 if 0 < nanoseconds <= _GO_MAXIMUM else None
