"""Cursors: where a page ended, as a text that means nothing to its bearer."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from resumer_daemon.api.problems import Refusal

T = TypeVar("T")


def of_paused(at: datetime, execution: UUID) -> str:
    """Return the cursor behind a paused execution."""
    return _written(f"{at.isoformat()} {execution}")


def to_paused(cursor: str) -> tuple[datetime, UUID]:
    """Return what `of_paused` wrote. Raises Refusal where it did not."""
    return _read(cursor, _moment)


def of_entry(request: int) -> str:
    """Return the cursor behind an entry of the ledger."""
    return _written(str(request))


def to_entry(cursor: str) -> int:
    """Return what `of_entry` wrote. Raises Refusal where it did not."""
    return _read(cursor, _number)


def _moment(text: str) -> tuple[datetime, UUID]:
    at, _, execution = text.partition(" ")
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment, UUID(execution)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("no id")
    return int(text)


def _written(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, understood: Callable[[str], T]) -> T:
    try:
        return understood(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode())
    except ValueError as error:
        raise Refusal(422, "this cursor is not one of ours: begin without one") from error
