"""Transactions that change the schema: their settings, and the retry on a lock."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from psycopg import errors
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from resumer_daemon.errors import MigrationError
from resumer_daemon.store.connection import Connection, settings
from resumer_daemon.store.migration_locks import Lock
from resumer_daemon.store.statements import load

LOCK_TIMEOUT = "150ms"
"""The wait of a migration for a lock. Sessions that come later wait behind it, readers too."""

DEADLOCK_TIMEOUT = "50ms"
"""After this wait a superuser's migration ends an autovacuum; less than LOCK_TIMEOUT."""


@dataclass(frozen=True, slots=True)
class MigrationTarget:
    """The service's schema, and whether a migration keeps its columns there."""

    schema: str
    keep_columns: Literal["on", "off"]
    repaired_since: datetime | None = None

    @classmethod
    def of(
        cls, schema: str, *, keep_columns: bool = False, repaired_since: datetime | None = None
    ) -> "MigrationTarget":
        """Return the target for a schema of this name.

        `repaired_since`: repeatable migrations that were applied before are applied again.
        """
        return cls(schema, "on" if keep_columns else "off", repaired_since)

    @property
    def lock_timeout(self) -> str:
        """The time that its transactions wait for a lock."""
        return LOCK_TIMEOUT

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a transaction that changes the schema."""
        return {
            "lock_timeout": self.lock_timeout,
            "deadlock_timeout": DEADLOCK_TIMEOUT,
            "keep_columns": self.keep_columns,
        }


async def prepare(connection: Connection, place: MigrationTarget) -> None:
    """Apply the settings of a transaction that changes the schema."""
    await connection.execute(*settings(local=True))
    await connection.execute(load("migrate.prepare"), place.settings)


T = TypeVar("T")

PATIENCE = 120.0
REST = wait_exponential_jitter(multiplier=0.3, max=8.0, jitter=0.3)
"""Seconds between two attempts. Sessions that waited behind the migration get the lock then."""

Tell: TypeAlias = Callable[[str], None]


class LockUnavailable(Exception):
    """Another session holds a needed lock. `locks` are the locks that the migration waits for."""

    def __init__(self, message: str, locks: Sequence[Lock] = ()) -> None:
        super().__init__(message)
        self.locks = locks


async def retry_on_lock(
    step: Callable[[], Awaitable[T]],
    in_the_way: Callable[[Sequence[Lock]], Awaitable[str]] | None = None,
    tell: Tell | None = None,
) -> T:
    """Run one step, and retry it for at most two minutes while a lock is unavailable.

    `in_the_way` names the holders of the locks after each attempt. `tell` is
    called when these holders change.

    Raises:
        MigrationError: The step failed, or a lock was unavailable for too long.
    """
    last = ""

    async def holders(busy: LockUnavailable) -> str:
        return await in_the_way(busy.locks) if in_the_way else ""

    async def report(state: RetryCallState) -> None:
        nonlocal last
        busy = state.outcome.exception() if state.outcome else None
        found = await holders(busy) if isinstance(busy, LockUnavailable) else ""
        if tell and found and found != last:
            tell(f"{busy}; waiting for: {found}")
        last = found or last

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(LockUnavailable),
        wait=REST,
        stop=stop_after_delay(PATIENCE),
        before_sleep=report,
        reraise=True,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await step()
    except LockUnavailable as busy:
        found = await holders(busy) or last
        held = f"; it is held by: {found}" if found else ""
        raise MigrationError(f"{busy}: not free within {PATIENCE:g} s{held}") from busy.__cause__
    raise AssertionError("unreachable")


async def or_busy(work: Awaitable[object], what: str, locks: Sequence[Lock] = ()) -> None:
    """Await work that takes these locks. Raise `LockUnavailable` if another session holds one."""
    try:
        await work
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise LockUnavailable(f"{what}: {error}", locks) from error
    except errors.Error as error:
        raise MigrationError(f"{what}: {error}") from error
