"""Waiting for what others have locked: step back and try again, for writers come first."""

from collections.abc import Awaitable, Callable

from psycopg import errors
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.errors import MigrationError

PATIENCE = 120.0


class Busy(Exception):
    """Somebody holds a lock that is needed: worth another try."""


async def patiently(step: Callable[[], Awaitable[str | None]]) -> str | None:
    """Take one step; step back from locks and try again, until the patience is at its end.

    Raises:
        MigrationError: It could not be done, or not in time.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Busy),
        wait=wait_random(0.05, 0.5),
        stop=stop_after_delay(PATIENCE),
        reraise=True,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await step()
    except Busy as busy:
        raise MigrationError(f"{busy}: not free within {PATIENCE:g} s") from busy.__cause__
    return None


async def or_busy(work: Awaitable[object], what: str) -> None:
    """Do a piece of work of which what others have locked is worth another try."""
    try:
        await work
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise Busy(f"{what}: {error}") from error
    except errors.Error as error:
        raise MigrationError(f"{what}: {error}") from error
