"""PostgreSQL's array literals, written here: psycopg's own dumper took a third of a busy daemon."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

_BARE = (int, float, UUID)


def array(values: Iterable[Any]) -> str:
    """Write a one-dimensional array; the statement casts it to the type that it needs."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, _BARE):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
