"""Write rows as PostgreSQL array literals, one for each column.

psycopg's dumper took a third of a busy daemon's CPU time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

_BETWEEN = "\0"  # a text of PostgreSQL cannot contain it


def columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return the columns of these rows by name."""
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


def array(values: Iterable[Any]) -> str:
    """Return a one-dimensional array literal; the statement casts it to a type."""
    column = list(values)
    kinds = set(map(type, column))
    write = _COLUMNS.get(kinds.pop()) if len(kinds) == 1 else None
    return "{" + (write or _mixed)(column) + "}"


def _texts(column: Sequence[str]) -> str:
    """Escape all texts of a column at once."""
    joined = _BETWEEN.join(column)
    if joined.count(_BETWEEN) != len(column) - 1:
        return _mixed(column)
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace(_BETWEEN, '","') + '"'


def _mixed(column: Sequence[Any]) -> str:
    return ",".join([_element(value) for value in column])


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return _hex(value)
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _hex(value: UUID) -> str:
    return f"{value.int:032x}"  # without hyphens, which take most of the time


_COLUMNS: Final[Mapping[type, Callable[[Sequence[Any]], str]]] = {
    str: _texts,
    type(None): lambda column: ",".join(["NULL"] * len(column)),
    UUID: lambda column: ",".join([_hex(value) for value in column]),
    **dict.fromkeys((int, float, bool), lambda column: ",".join(map(str, column))),
}
