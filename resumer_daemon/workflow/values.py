"""JSON values as the whole program knows them: read exactly, printed one way, written safely."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeGuard

from resumer_daemon.workflow.faults import FieldNotFound
from resumer_daemon.workflow.jsontext import Json, Unreadable, dump, load

__all__ = [
    "MISSING",
    "Json",
    "Missing",
    "Unreadable",
    "dump",
    "find",
    "is_number",
    "load",
    "lookup",
    "printed",
    "same",
    "size_of",
]


class Missing:
    """The type of `MISSING`, which no JSON value can be."""


MISSING: Final = Missing()


def printed(value: Json) -> str:
    """Return how a value reads inside a text."""
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
    """Return about how many characters a value has when it is written."""
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


def same(left: Json, right: Json) -> bool:
    """Tell whether two values are equal in the sense of the semantics page."""
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
    """Return what a dotted path leads to.

    Raises:
        FieldNotFound: It leads nowhere.
    """
    value = find(path, context)
    if value is MISSING:
        raise FieldNotFound(path)
    return value


def find(path: str, context: Mapping[str, Json]) -> Json:
    """Return what a dotted path leads to, else the value of the one literal key, else `MISSING`."""
    root, *parts = path.split(".")
    value = context.get(root, MISSING)
    for part in parts:
        value = _member(value, part)
        if value is MISSING:
            break
    return context.get(path, MISSING) if value is MISSING else value


def is_number(value: Json) -> TypeGuard[int | Decimal]:
    """Tell a number from everything else, booleans included."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _member(value: Json, part: str) -> Json:
    if isinstance(value, dict):
        return value.get(part, MISSING)
    if isinstance(value, list):
        if part == "length":
            return len(value)
        # Only the written form of an index is one: not `01`, not `-1`, no 5,000 digits.
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
    return isinstance(other, bool | int | Decimal) and printed(left) == printed(right)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
