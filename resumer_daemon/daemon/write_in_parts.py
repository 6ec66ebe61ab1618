"""Write a batch in parts, each at a savepoint: an execution that cannot be written stops alone.

`isolation.py` is for batches that fail as a whole. It repeats them in halves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.daemon.failures import is_poison
from resumer_daemon.engine.inputs import ClaimedExecution
from resumer_daemon.engine.plan import Plan
from resumer_daemon.engine.planner import plan_unreadable
from resumer_daemon.store.inbox import fail_requests
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.logs import format_error

log = structlog.get_logger()

PARTS = 8  # two would fail more often, and each part that failed was work for nothing

WritePart = Callable[[Sequence[Plan], int], Awaitable[Mapping[UUID, int]]]
"""Writes plans after a number of leases were taken. Returns the epochs of its own leases."""


@dataclass(frozen=True, slots=True)
class Written:
    """The plans that were written, the epochs of their leases, and executions that were stopped."""

    plans: Sequence[Plan] = ()
    epochs: Mapping[UUID, int] = field(default_factory=dict)
    quarantined: Sequence[UUID] = ()

    def __add__(self, other: "Written") -> "Written":
        return Written(
            [*self.plans, *other.plans],
            {**self.epochs, **other.epochs},
            [*self.quarantined, *other.quarantined],
        )


async def write_in_parts(
    session: Session, plans: Sequence[Plan], write: WritePart, leases: int = 0
) -> Written:
    """Write plans in parts, each at a savepoint. A plan that cannot be written stops alone.

    `leases`: how many leases were taken already.
    """
    size = -(-len(plans) // PARTS)
    written = Written()
    for begin in range(0, len(plans), size):
        part = plans[begin : begin + size]
        written += await _write_part(session, part, write, leases + len(written.epochs))
    return written


async def _write_part(
    session: Session, plans: Sequence[Plan], write: WritePart, leases: int
) -> Written:
    try:
        return await _write_at_savepoint(session, plans, write, leases)
    except (psycopg.Error, ValueError) as error:
        if not is_poison(error):
            raise
        if len(plans) > 1:
            return await write_in_parts(session, plans, write, leases)
        return await _quarantine(session, plans[0].claimed, format_error(error), write, leases)


async def _quarantine(
    session: Session, claimed: ClaimedExecution, cause: str, write: WritePart, leases: int
) -> Written:
    """Stop one execution as an incident. Where even that cannot be written, its requests fail."""
    log.error("execution_quarantined", execution=str(claimed.id), error=cause)
    stopped = Written(quarantined=[claimed.id])
    try:
        incident = plan_unreadable(claimed, cause)
        return stopped + await _write_at_savepoint(session, [incident], write, leases)
    except (psycopg.Error, ValueError) as error:
        if not is_poison(error):
            raise
        log.error("requests_failed", execution=str(claimed.id), error=format_error(error))
        await fail_requests(session, claimed.id, cause)
        return stopped


async def _write_at_savepoint(
    session: Session, plans: Sequence[Plan], write: WritePart, leases: int
) -> Written:
    async with session.savepoint():
        return Written(plans, await write(plans, leases))
