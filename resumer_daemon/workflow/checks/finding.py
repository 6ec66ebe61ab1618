"""What a check has to say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a definition: an error will fail an execution, a warning may surprise."""

    severity: Literal["error", "warning"]
    path: str
    message: str


Findings: TypeAlias = Iterator[Finding]


def error(path: str, message: str) -> Finding:
    """Return what will fail an execution that comes there."""
    return Finding("error", path, message)


def warning(path: str, message: str) -> Finding:
    """Return what is legal, and probably not meant."""
    return Finding("warning", path, message)
