"""Write what could not be written together: in parts, at savepoints, until poison is alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from resumer_daemon.daemon.poison import is_poison
from resumer_daemon.engine.inputs import Claimed
from resumer_daemon.engine.plan import Plan
from resumer_daemon.engine.planner import unreadable
from resumer_daemon.store.inbox import give_up_requests
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.logs import said

log = structlog.get_logger()

PARTS = 8  # two would fail more often, and what has failed was work for nothing

WriteAtEpoch = Callable[[Sequence[Plan], int], Awaitable[dict[UUID, int]]]
"""Writes plans, knowing how many leases are taken already; returns the epochs of its own."""


@dataclass(slots=True)
class Written:
    """What was written: these plans, these leases; `quarantined` were stopped for a person."""

    plans: list[Plan] = field(default_factory=list)
    epochs: dict[UUID, int] = field(default_factory=dict)
    quarantined: list[UUID] = field(default_factory=list)


async def write_apart(session: Session, plans: Sequence[Plan], write: WriteAtEpoch) -> Written:
    """Write all that can be written of these, and stop alone what cannot."""
    written = Written()
    await _parts(session, plans, write, written)
    return written


async def _parts(
    session: Session, plans: Sequence[Plan], write: WriteAtEpoch, written: Written
) -> None:
    size = -(-len(plans) // PARTS)
    for part in [plans[begin : begin + size] for begin in range(0, len(plans), size)]:
        fault = await _tried(session, part, write, written)
        if fault is None:
            continue
        if len(part) > 1:
            await _parts(session, part, write, written)
        else:
            await _quarantine(session, part[0].claimed, fault, write, written)


async def _tried(
    session: Session, plans: Sequence[Plan], write: WriteAtEpoch, written: Written
) -> str | None:
    """Write these or nothing of them; return what is wrong with one of them."""
    try:
        async with session.savepoint():
            epochs = await write(plans, len(written.epochs))
    except (psycopg.Error, ValueError) as error:
        if not is_poison(error):
            raise
        return said(error)
    written.plans += plans
    written.epochs |= epochs
    return None


async def _quarantine(
    session: Session, claimed: Claimed, fault: str, write: WriteAtEpoch, written: Written
) -> None:
    """Stop one execution; where even that cannot be written, its requests fail."""
    written.quarantined.append(claimed.id)
    log.error("execution_quarantined", execution=str(claimed.id), error=fault)
    worse = await _tried(session, [unreadable(claimed, fault)], write, written)
    if worse is not None:
        log.error("requests_given_up", execution=str(claimed.id), error=worse)
        await give_up_requests(session, claimed.id, fault)
