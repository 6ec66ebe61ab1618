"""JSON text: read exactly, written safely; nothing that is too deep or too long gets in."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeAlias

import orjson
import simplejson

from resumer_daemon.workflow.faults import Fault

Json: TypeAlias = Any
"""None, bool, int, Decimal, str, list or dict with text keys; never float."""

DEPTH: Final = 128
"""How deep lists and objects may nest: far beyond real data, far below Python's own stack."""

DIGITS: Final = 4_300
"""How many digits a number may have written out: CPython converts no more."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_WRITTEN_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_BEYOND = 10**DIGITS


class Unreadable(Fault, ValueError):
    """A text that is no JSON, or JSON beyond what can be kept exactly."""


def load(text: str) -> Json:
    """Read JSON exactly: whole numbers as int, others as Decimal, unstorable characters replaced.

    Raises:
        Unreadable: It is no JSON, nests deeper than `DEPTH`, or holds a number of more than
            `DIGITS` digits, NaN or Infinity.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from None
    except Unreadable:
        raise
    except ValueError:
        raise _too_long("a whole number") from None
    if text.count("[") + text.count("{") > DEPTH and is_deeper(value, DEPTH):
        raise _too_deep()
    # JSON text can bring an unstorable character only by an escape, and jsonb writes none.
    return clean(value) if "\\u" in text else value


def dump(value: Json) -> str:
    """Write compact JSON that jsonb accepts, numbers exactly, unstorable characters replaced.

    Raises:
        Unreadable: The value is not JSON, or nests too deeply.
    """
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # a Decimal, a long number or a lone surrogate; or no JSON
        text = _exactly(value)
    return _WRITTEN_NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text


def _exactly(value: Json) -> str:
    """Write what few values hold, in ten times the time."""
    try:
        return storable(_WRITER.encode(value))
    except RecursionError:
        raise _too_deep() from None
    except (TypeError, ValueError) as error:
        raise Unreadable(f"not a JSON value: {error}") from None


def storable(text: str) -> str:
    """Replace what PostgreSQL cannot store in a text: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def is_deeper(value: Json, depth: int) -> bool:
    """Tell whether lists and objects nest more than `depth` levels, without recursion."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)
            if isinstance(member, dict | list)
        ]
        if not level:
            return False
    return bool(level)


def clean(value: Json, depth: int = 0) -> Json:
    """Return the value as `load` would have read it, whoever built it.

    Raises:
        Unreadable: It is no JSON value, nests deeper than `DEPTH`, or holds too long a number.
    """
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict | list):
        if depth == DEPTH:
            raise _too_deep()
        if isinstance(value, list):
            return [clean(member, depth + 1) for member in value]
        return {_key(key): clean(member, depth + 1) for key, member in value.items()}
    return _clean_scalar(value)


def _key(key: object) -> str:
    if isinstance(key, str):
        return storable(key)
    raise Unreadable(f"not a JSON key: {type(key).__name__}")


def _clean_scalar(value: Json) -> Json:
    match value:
        case None | bool():
            return value
        case int():
            if -_BEYOND < value < _BEYOND:
                return value
            raise _too_long("a whole number")
        case Decimal() | float():
            return _decimal(str(value))
        case _:
            raise Unreadable(f"not a JSON value: {type(value).__name__}")


def _decimal(text: str) -> Decimal | int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _too_long(text) from None
    if not number.is_finite():
        raise Unreadable(f"{text} is no JSON")
    if "e" not in text.lower():
        if _digits(text) > DIGITS:
            raise _too_long(text)
        return number
    # jsonb writes 1e3 as 1000, and reads all of that again; so does whoever reads it here.
    if abs(number.adjusted()) > DIGITS or _digits(format(number, "f")) > DIGITS:
        raise _too_long(text)
    return int(number) if number == number.to_integral_value() else number


def _digits(written_out: str) -> int:
    return len(written_out.lstrip("-").replace(".", ""))


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON")


def _too_long(number: str) -> Unreadable:
    return Unreadable(f"{number[:40]} has more than {DIGITS:,} digits")


def _too_deep() -> Unreadable:
    return Unreadable(f"nested more than {DEPTH} levels deep")


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse_constant)
_WRITER = simplejson.JSONEncoder(
    use_decimal=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)
