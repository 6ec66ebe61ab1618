"""Stop executions with which no batch can finish, without reading them."""

from dataclasses import replace
from uuid import UUID

from resumer_daemon.engine.moves import plan_cancel
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.settlement import settle
from resumer_daemon.store.claim import lock_again, read_cancel
from resumer_daemon.store.leases import lock_expired, release
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import dump


async def quarantine(session: Session, execution: UUID, what: Incident) -> bool:
    """Stop an execution that does not run for a person, unless another session has it locked.

    Where somebody wants it cancelled, it is; return whether it was.
    """
    async with session.transaction():
        await lock_again(session, [execution])
        claimed = await read_cancel(session)
        settlement = None if claimed is None else settle(claimed)
        if claimed is None or settlement is None or not settlement.cancelled:
            await _stop(session, what, running=False)
            return False
        facts = {"cancel": claimed.requests[0].id, "organization": claimed.organization}
        rest = await session.run("quarantine.cancel_unread", facts)
        undecided = tuple([row["id"] for row in await rest.fetchall()])
        await record(session, [replace(plan_cancel(claimed, settlement), withdrawn=undecided)], {})
        await release(session, [execution])
        return True


async def quarantine_first(session: Session, what: Incident) -> None:
    """Stop the execution whose lease is past for longest, where nobody has it locked."""
    async with session.transaction():
        await lock_expired(session, 1)
        await _stop(session, what, running=True)


async def _stop(session: Session, what: Incident, *, running: bool) -> None:
    incident = dump(what.to_json())
    facts = {"incident": incident, "running": running, "timezone": session.timezone}
    async with session.at_the_service():
        await session.run("quarantine.stop_unread", facts)
