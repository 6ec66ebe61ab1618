"""Incidents of executions with which no turn can finish: written without reading them."""

from uuid import UUID

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.state import VERSION
from resumer_daemon.store.arrays import array
from resumer_daemon.store.pauses import incident_as_json
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import dump


async def set_apart(session: Session, execution: UUID, what: Incident) -> None:
    """Stop an execution that does not run for a person, unless another session has it locked."""
    async with session.transaction():
        await session.run("claim_again", {"ids": array([execution])})
        await _stop(session, what, running=False)


async def set_apart_first(session: Session, what: Incident) -> None:
    """Stop the execution whose lease is past for longest, where nobody has it locked."""
    async with session.transaction():
        await session.run("claim_expired_leases", {"limit": 1, "version": VERSION})
        await _stop(session, what, running=True)


async def _stop(session: Session, what: Incident, *, running: bool) -> None:
    incident = dump(incident_as_json(what))
    facts = {"incident": incident, "running": running, "timezone": session.timezone}
    async with session.at_the_service():
        await session.run("set_apart", facts)
