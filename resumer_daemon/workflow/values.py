"""JSON values: exact reading and writing, and equality.

Numbers keep every digit. Texts that are nested too deeply or are too long are refused.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeAlias, TypeGuard

import orjson
import simplejson

from resumer_daemon.workflow.errors import FieldNotFound, StepError

Json: TypeAlias = Any
"""None, bool, int, Decimal, str, list or dict with text keys; never float."""

DEPTH: Final = 128
"""The deepest nesting of lists and objects: far beyond real data, far below Python's own stack."""

DIGITS: Final = 4_300
"""The most digits of a number that is written out: CPython converts no more."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_WRITTEN_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_BEYOND = 10**DIGITS


class UnreadableJson(StepError, ValueError):
    """A text is not JSON, or cannot be stored exactly."""


def load(text: str) -> Json:
    """Read JSON: integers as int, other numbers as Decimal, unstorable characters replaced.

    Raises:
        UnreadableJson: It is not JSON, nests deeper than `DEPTH`, or holds NaN, Infinity or a
        number of
            more than `DIGITS` digits.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise UnreadableJson(f"not JSON: {error}") from None
    except UnreadableJson:
        raise
    except ValueError:
        raise _too_long("a whole number") from None
    if text.count("[") + text.count("{") > DEPTH and is_deeper(value, DEPTH):
        raise _too_deep()
    # Only an escape can hold an unstorable character, and jsonb writes none.
    return clean(value) if "\\u" in text else value


def dump(value: Json) -> str:
    """Write compact JSON that jsonb accepts, with exact numbers and storable characters.

    Raises:
        UnreadableJson: The value is not JSON, or nests too deeply.
    """
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # a Decimal, a long number, a lone surrogate, or not JSON
        text = _exactly(value)
    return _WRITTEN_NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text


def _exactly(value: Json) -> str:
    """Write values that orjson cannot write, in ten times the time."""
    try:
        return storable(_WRITER.encode(value))
    except RecursionError:
        raise _too_deep() from None
    except (TypeError, ValueError) as error:
        raise UnreadableJson(f"not a JSON value: {error}") from None


def storable(text: str) -> str:
    """Replace characters that PostgreSQL cannot store in a text: NUL and lone surrogates."""
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
    """Return the value as `load` would have read it.

    Raises:
        UnreadableJson: It is not a JSON value, nests deeper than `DEPTH`, or has too long a number.
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
    raise UnreadableJson(f"not a JSON key: {type(key).__name__}")


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
            raise UnreadableJson(f"not a JSON value: {type(value).__name__}")


def _decimal(text: str) -> Decimal | int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _too_long(text) from None
    if not number.is_finite():
        raise UnreadableJson(f"{text} is not JSON")
    if "e" not in text.lower():
        if _digits(text) > DIGITS:
            raise _too_long(text)
        return number
    # jsonb stores 1e3 as 1000, so the digits count as written out.
    if abs(number.adjusted()) > DIGITS or _digits(format(number, "f")) > DIGITS:
        raise _too_long(text)
    return int(number) if number == number.to_integral_value() else number


def _digits(written_out: str) -> int:
    return len(written_out.lstrip("-").replace(".", ""))


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"{name} is not JSON")


def _too_long(number: str) -> UnreadableJson:
    return UnreadableJson(f"{number[:40]} has more than {DIGITS:,} digits")


def _too_deep() -> UnreadableJson:
    return UnreadableJson(f"nested more than {DEPTH} levels deep")


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse_constant)
_WRITER = simplejson.JSONEncoder(
    use_decimal=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)


class Missing:
    """The type of `MISSING`, which is not a JSON value."""


MISSING: Final = Missing()


def to_text(value: Json) -> str:
    """Return a value as it is written inside a text."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return _plain(value)
        case _:
            return dump(value)


def size_of(value: Json) -> int:
    """Return the approximate number of characters of a value as JSON."""
    size, left = 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            size += len(each)
        elif isinstance(each, Mapping):
            size += 16 * len(each)
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            size += 4 * len(each)
            left.extend(each)
        else:
            size += 8
    return size


def values_equal(left: Json, right: Json) -> bool:
    """Tell whether two values are equal. Numbers are compared by value, not by type."""
    if type(left) is str and type(right) is str:
        return left == right
    pairs = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        match left, right:
            case list(), list():
                if len(left) != len(right):
                    return False
                pairs.extend(zip(left, right, strict=True))
            case dict(), dict():
                if left.keys() != right.keys():
                    return False
                pairs.extend((member, right[key]) for key, member in left.items())
            case _:
                if not _same_scalar(left, right):
                    return False
    return True


def lookup(path: str, context: Mapping[str, Json]) -> Json:
    """Return the value at a dotted path.

    Raises:
        FieldNotFound: It leads nowhere.
    """
    value = find(path, context)
    if value is MISSING:
        raise FieldNotFound(path)
    return value


def find(path: str, context: Mapping[str, Json]) -> Json:
    """Return the value at a dotted path, else of the literal key, else `MISSING`."""
    root, *parts = path.split(".")
    value = context.get(root, MISSING)
    for part in parts:
        value = _member(value, part)
        if value is MISSING:
            break
    return context.get(path, MISSING) if value is MISSING else value


def is_number(value: Json) -> TypeGuard[int | Decimal]:
    """Tell whether a value is a number. Booleans are not."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _member(value: Json, part: str) -> Json:
    if isinstance(value, dict):
        return value.get(part, MISSING)
    if isinstance(value, list):
        if part == "length":
            return len(value)
        # An index has one written form: not `01`, not `-1`, not 5,000 digits.
        if len(part) < 10 and part.isdecimal() and str(int(part)) == part:
            index = int(part)
            return value[index] if index < len(value) else MISSING
    return MISSING


def _same_scalar(left: Json, right: Json) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, str) is isinstance(right, str):
        return type(left) is type(right) and bool(left == right)
    other = right if isinstance(left, str) else left
    return isinstance(other, bool | int | Decimal) and to_text(left) == to_text(right)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
