"""Cursors: where a page ended. What has the form of one is one: nothing is left to refuse."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

PAUSED_CURSOR = r"^[0-9]{1,16}-[0-9a-f]{32}$"
ENTRY_CURSOR = r"^[0-9]{1,18}$"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def of_paused(at: datetime, execution: UUID) -> str:
    """Return the cursor behind an execution that is paused since then."""
    return f"{(at - EPOCH) // MICROSECOND}-{execution.hex}"


def to_paused(cursor: str) -> tuple[datetime, UUID]:
    """Return what `of_paused` wrote."""
    at, _, execution = cursor.partition("-")
    return EPOCH + int(at) * MICROSECOND, UUID(execution)
