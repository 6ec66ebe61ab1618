"""PostgreSQL's array literals, written here: psycopg's own dumper took a third of a busy daemon."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID


def array(values: Iterable[Any]) -> str:
    """Write a one-dimensional array; the statement casts it to the type that it needs."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return f"{value.int:032x}"  # without hyphens, which take longer than all else
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
