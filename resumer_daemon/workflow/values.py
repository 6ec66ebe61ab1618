"""JSON values: exact reading and writing, and equality.

Numbers keep every digit. Texts that are nested too deeply or are too long are refused.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec

from resumer_daemon.workflow.errors import FieldNotFound, StepError

Json: TypeAlias = Any
"""None, bool, int, Decimal, str, list or dict with text keys; never float."""

DEPTH: Final = 128
"""The deepest nesting of lists and objects: far beyond real data, far below Python's own stack."""

DIGITS: Final = 4_300
"""The most digits of a number that is written out, with its sign: msgspec converts no more."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"  # NUL, or a lone surrogate
    r"|\\.",
    re.DOTALL,
)
_UNSTORABLE_ESCAPES = 6
"""The length of an escape of `_ESCAPE` that cannot be stored."""

_BELOW, _BEYOND = -(10 ** (DIGITS - 1)), 10**DIGITS


class UnreadableJson(StepError, ValueError):
    """A text is not JSON, or cannot be stored exactly."""


def load(text: str) -> Json:
    """Read JSON: integers as int, other numbers as Decimal, unstorable characters replaced.

    Raises:
        UnreadableJson: It is not JSON, nests deeper than `DEPTH`, or holds NaN, Infinity or a
        number of
            more than `DIGITS` digits.
    """
    if "\\u" in text:
        text = _storable_escapes(text)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        return load(storable(text))
    except msgspec.ValidationError:
        raise _too_long("a whole number") from None
    except msgspec.DecodeError as error:
        raise UnreadableJson(_position(str(error), text)) from None
    if text.count("[") + text.count("{") > DEPTH and is_deeper(value, DEPTH):
        raise _too_deep()
    return value


_BYTE = re.compile(r" \(byte (\d+)\)$")


def _position(error: str, text: str) -> str:
    """Return the message of an error with the line and column in place of the byte."""
    found = _BYTE.search(error)
    before = text.encode()[: int(found[1])].decode(errors="ignore") if found else text
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    reason = _BYTE.sub("", error).removeprefix("JSON is malformed: ")
    return f"not JSON: {reason[:1].lower()}{reason[1:]} (line {line}, column {column})"


def dump(value: Json) -> str:
    """Write compact JSON that jsonb accepts, with exact numbers and storable characters.

    Raises:
        UnreadableJson: The value is not JSON, or nests too deeply.
    """
    try:
        text = _ENCODER.encode(value).decode()
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        text = _ENCODER.encode(clean(value)).decode()
    except (TypeError, ValueError) as error:
        raise UnreadableJson(f"not a JSON value: {error}") from None
    return _storable_escapes(text) if "\\u0000" in text else text


def _storable_escapes(text: str) -> str:
    return _ESCAPE.sub(_storable_escape, text)


def _storable_escape(escape: re.Match[str]) -> str:
    written = escape[0]
    return "\ufffd" if len(written) == _UNSTORABLE_ESCAPES else written


def storable(text: str) -> str:
    """Replace characters that PostgreSQL cannot store in a text: NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", text)


_CONTAINERS: Final = frozenset({dict, list})


def is_deeper(value: Json, depth: int) -> bool:
    """Tell whether lists and objects nest more than `depth` levels, without recursion.

    A large document has millions of members. `type(m) in` takes a third of the time of isinstance.
    """
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(depth):
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)
            if type(member) in _CONTAINERS
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
            if _BELOW < value < _BEYOND:
                return value
            raise _too_long("a whole number")
        case Decimal() | float():
            return _decimal(str(value))
        case _:
            raise UnreadableJson(f"not a JSON value: {type(value).__name__}")


_SHORT = 20


def _read_decimal(text: str) -> Decimal | int:
    """Return a JSON number. A short one without an exponent needs no check."""
    if len(text) < _SHORT and "e" not in text and "E" not in text:
        return Decimal(text)
    return _decimal(text)


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
    return len(written_out.replace(".", ""))


def _too_long(number: str) -> UnreadableJson:
    return UnreadableJson(f"{number[:40]} has more than {DIGITS:,} digits")


def _too_deep() -> UnreadableJson:
    return UnreadableJson(f"nested more than {DEPTH} levels deep")


_DECODER = msgspec.json.Decoder(float_hook=_read_decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


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
