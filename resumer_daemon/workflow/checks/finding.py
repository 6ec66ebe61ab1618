"""The result of a check."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a definition. An error fails an execution, a warning is probably a mistake."""

    severity: Literal["error", "warning"]
    path: str
    message: str


Findings: TypeAlias = Iterator[Finding]


def error(path: str, message: str) -> Finding:
    """Return a problem that fails an execution that reaches it."""
    return Finding("error", path, message)


def warning(path: str, message: str) -> Finding:
    """Return a problem that is valid but probably a mistake."""
    return Finding("warning", path, message)
