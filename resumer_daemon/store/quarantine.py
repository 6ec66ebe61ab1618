"""Quarantine executions that no batch can finish: stop them without reading their documents."""

from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine.moves import plan_cancel
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.settlement import settle
from resumer_daemon.store.claim import lock_given, read_cancel_request
from resumer_daemon.store.leases import delete, lock_expired
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import dump


async def quarantine(session: Session, execution: UUID, incident: Incident) -> bool:
    """Stop an execution that is not running with an incident, unless another session locks it.

    Cancel it instead if that was requested. Return whether it was cancelled.
    """
    async with session.transaction():
        await lock_given(session, [execution])
        claimed = await read_cancel_request(session)
        settlement = None if claimed is None else settle(claimed)
        if claimed is None or settlement is None or not settlement.cancelled:
            await _stop(session, incident, running=False)
            return False
        facts = {"cancel": claimed.requests[0].id, "organization": claimed.organization}
        rows = await session.fetch_all("quarantine.cancel_unread", facts)
        undecided = tuple([row["id"] for row in rows])
        await record(session, [replace(plan_cancel(claimed, settlement), withdrawn=undecided)], {})
        await delete(session, [execution])
        return True


async def quarantine_first(session: Session, incident: Incident) -> None:
    """Stop the execution whose lease expired first, unless another session locks it."""
    async with session.transaction():
        await lock_expired(session, 1)
        await _stop(session, incident, running=True)


async def _stop(session: Session, incident: Incident, *, running: bool) -> None:
    facts = {"incident": dump(incident.to_json()), "running": running, "timezone": session.timezone}
    async with session.service_search_path():
        await session.run("quarantine.stop_unread", facts)
