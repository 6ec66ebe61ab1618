"""Regular expressions by RE2 only: time grows with the input, whatever the pattern."""

from functools import lru_cache
from typing import Any

import re2

from resumer_daemon.workflow.faults import ConditionFault
from resumer_daemon.workflow.jsontext import storable

_LONGEST_PATTERN = 1_024
_LONGEST_INPUT = 65_536
_COMPILED = 128
_MEMORY = 2 << 20
_MOST_WORK = 30_000_000  # instructions times bytes, in which RE2 is linear: 0.2 s at the worst

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # or it writes each bad pattern to stderr
_OPTIONS.max_mem = _MEMORY


def matches_pattern(pattern: str, text: str) -> bool:
    """Tell whether the pattern matches anywhere in the text.

    Raises:
        ConditionFault: RE2 refuses the pattern, or it is too much work with a text of this length.
    """
    compiled = _compiled(pattern)
    encoded = storable(text).encode()
    if len(encoded) > _LONGEST_INPUT:
        raise ConditionFault(f"regex input has {len(encoded):,} bytes, at most {_LONGEST_INPUT:,}")
    if len(encoded) * compiled.programsize > _MOST_WORK:
        most = _MOST_WORK // compiled.programsize
        raise ConditionFault(
            f"regex is too large to search {len(encoded):,} bytes, at most {most:,} with this one"
        )
    return compiled.search(encoded) is not None


def check_pattern(pattern: str) -> None:
    """Raise what `matches_pattern` would raise for this pattern.

    Raises:
        ConditionFault: RE2 refuses the pattern, or it is too long.
    """
    _compiled(pattern)


def _compiled(pattern: str) -> Any:
    encoded = storable(pattern).encode()
    if len(encoded) > _LONGEST_PATTERN:
        raise ConditionFault(f"regex has {len(encoded):,} bytes, at most {_LONGEST_PATTERN:,}")
    return _compile(encoded)


@lru_cache(_COMPILED)
def _compile(pattern: bytes) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ConditionFault(f"invalid regex: {text}") from None
