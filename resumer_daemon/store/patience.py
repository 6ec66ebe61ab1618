"""Waiting for what others have locked: step back and try again, for others come first."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from psycopg import errors
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from resumer_daemon.errors import MigrationError

PATIENCE = 120.0
REST = wait_exponential_jitter(multiplier=0.3, max=8.0, jitter=0.3)
"""Seconds between two attempts. Whoever waited behind us gets the lock meanwhile."""

Tell: TypeAlias = Callable[[str], None]


class Busy(Exception):
    """Somebody holds a lock that is needed: worth another try."""


async def patiently(
    step: Callable[[], Awaitable[str | None]],
    in_the_way: Callable[[], Awaitable[str]] | None = None,
    tell: Tell | None = None,
) -> str | None:
    """Take one step; step back from locks and try again, until the patience is at its end.

    `in_the_way` says after each attempt who holds the locks; `tell` gets that when it changes.

    Raises:
        MigrationError: It could not be done, or not in time.
    """
    said = ""

    async def look(state: RetryCallState) -> None:
        nonlocal said
        found = await in_the_way() if in_the_way else ""
        if tell and found and found != said:
            busy = state.outcome.exception() if state.outcome else None
            tell(f"{busy}; waiting for: {found}")
        said = found or said

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Busy),
        wait=REST,
        stop=stop_after_delay(PATIENCE),
        before_sleep=look,
        reraise=True,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await step()
    except Busy as busy:
        found = (await in_the_way() if in_the_way else "") or said
        held = f"; it is held by: {found}" if found else ""
        raise MigrationError(f"{busy}: not free within {PATIENCE:g} s{held}") from busy.__cause__
    return None


async def or_busy(work: Awaitable[object], what: str) -> None:
    """Do a piece of work of which what others have locked is worth another try."""
    try:
        await work
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise Busy(f"{what}: {error}") from error
    except errors.Error as error:
        raise MigrationError(f"{what}: {error}") from error
