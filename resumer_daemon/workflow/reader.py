"""Typed access to unchecked JSON. Errors name the path and the expected value."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Final, TypeVar

from resumer_daemon.durations import EXPECTED, parse_duration
from resumer_daemon.workflow.templates import REFERENCE
from resumer_daemon.workflow.values import Json, dump, is_number, to_text

Value = TypeVar("Value")

ALIKE: Final = 0.75
"""The least likeness of a key that is certainly wrong to the key that it suggests."""

MISSPELT: Final = 0.82
"""The same for a key that a program may have added on purpose: `rule` is not `role`."""

_LONGEST_COMPARED: Final = 64


class ParseError(Exception):
    """A part of a definition is invalid. The message begins with its JSON path.

    `gate`: it belongs to an approval or a wait. Ignoring it could weaken the approval.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.gate = False


def not_understood(path: str, found: Json, expected: str) -> ParseError:
    """Return the error of a value that is not the expected one."""
    return ParseError(path, f"expected {expected}, found {describe(found)}")


@contextmanager
def within_gate() -> Iterator[None]:
    """Mark parse errors inside as part of a gate."""
    try:
        yield
    except ParseError as error:
        error.gate = True
        raise


def alike(key: str, known: Iterable[str], least: float = ALIKE) -> str | None:
    """Return the known key that is most similar to this one, None if none is similar.

    `least` is the smallest similarity, from 0 to 1.
    """
    if len(key) > _LONGEST_COMPARED:
        return None
    return next(iter(get_close_matches(key.lower(), list(known), 1, least)), None)


class Reader:
    """An object of a definition at its JSON path, with another one for missing values.

    Null and an empty text count as missing, because programs write them for values that were never
    set. Several keys are spellings of one key, and the first one present counts. Every method
    raises `ParseError` if the value has another type.
    """

    def __init__(self, written: Json, path: str, beneath: "Reader | None" = None) -> None:
        if not isinstance(written, dict):
            raise not_understood(path, written, "an object")
        self.path = path
        self.written = written
        self._beneath = beneath

    def located(self, *keys: str) -> tuple[str, Json]:
        """Return the JSON path of the first value present, and the value, or None."""
        return self._first(keys)

    def value(self, *keys: str) -> Json:
        """Return the first value present, unchanged, or None."""
        return self._first(keys)[1]

    def own(self, *keys: str) -> Json:
        """Return the first value present in this object itself, or None."""
        return next((value for _, value in self._present(keys)), None)

    def text(self, *keys: str, expected: str = "a text") -> str | None:
        """Return a text, or None."""
        return self._typed(keys, str, expected)

    def way(self, *keys: str) -> str | None:
        """Return the id of a next step, or None."""
        return self.text(*keys, expected="the id of a step")

    def mapping(self, *keys: str) -> dict[str, Json]:
        """Return an object, or an empty one."""
        return self._typed(keys, dict, "an object") or {}

    def inner(self, key: str, beneath: "Reader | None" = None) -> "Reader":
        """Return a reader of the object under a key, or of an empty one."""
        path, value = self._first((key,))
        return Reader({} if value is None else value, path, beneath)

    def members(self, *keys: str) -> list[tuple[str, Json]]:
        """Return the members of a list with their paths, none if there is no list."""
        path, value = self._first(keys)
        if value is None:
            return []
        if not isinstance(value, list):
            raise not_understood(path, value, "a list")
        return [(f"{path}[{index}]", member) for index, member in enumerate(value)]

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return a list of texts and numbers as texts, without empty and repeated ones."""
        members = self.members(*keys)
        for path, member in members:
            if not isinstance(member, str) and not is_number(member):
                raise not_understood(path, member, "a text")
        return tuple(dict.fromkeys(to_text(member) for _, member in members if member != ""))

    def whole(self, *keys: str) -> int | None:
        """Return a whole number, or None."""
        path, value = self._first(keys)
        if value is None:
            return None
        if not is_number(value) or value != int(value):
            raise not_understood(path, value, "a whole number")
        return int(value)

    def duration(self, *keys: str) -> float | None:
        """Return the seconds of a duration, or None."""
        path, value = self._first(keys)
        if value is None:
            return None
        given = parse_duration(value)
        if given is None:
            raise not_understood(path, value, EXPECTED)
        return given

    def delay(self, *keys: str) -> Json:
        """Return a duration as written, or None. A template is checked when it is rendered."""
        path, value = self._first(keys)
        is_template = isinstance(value, str) and REFERENCE.search(value) is not None
        if value is None or is_template or parse_duration(value) is not None:
            return value
        raise not_understood(path, value, EXPECTED)

    def only(self, known: Iterable[str], what: str) -> None:
        """Refuse keys with a value that are not known."""
        names = list(known)
        for key in self.written:
            if key not in names and next(self._present((key,)), None) is not None:
                meant = alike(key, names)
                hint = f"did you mean {meant}?" if meant else f"known keys: {', '.join(names)}"
                raise ParseError(f"{self.path}.{key}", f"unknown key of {what}, {hint}")

    def wrong(self, key: str, expected: str) -> ParseError:
        """Return the error of the value under a key."""
        path, value = self._first((key,))
        return not_understood(path, value, expected)

    def _typed(self, keys: tuple[str, ...], kind: type[Value], expected: str) -> Value | None:
        path, value = self._first(keys)
        if value is None or isinstance(value, kind):
            return value
        raise not_understood(path, value, expected)

    def _first(self, keys: tuple[str, ...]) -> tuple[str, Json]:
        reader: Reader | None = self
        while reader is not None:
            for found in reader._present(keys):
                return found
            reader = reader._beneath
        return f"{self.path}.{keys[0]}", None

    def _present(self, keys: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
        for key in keys:
            value = self.written.get(key)
            if value is not None and value != "":
                yield f"{self.path}.{key}", value


_LONGEST: Final = 60


def kind(value: Json) -> str:
    """Return the kind of a value, for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case "":
            return "an empty text"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"


def describe(value: Json) -> str:
    """Return a value for a message: JSON, cut if it is long, or the kind of a list or object."""
    if isinstance(value, list | dict):
        return kind(value)
    text = dump(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
