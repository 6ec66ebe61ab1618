"""The statements of background work: find what triggers missed, repair, and erase old rows.

`daemon/background.py` runs each in a transaction of its own. `daemon/maintenance.py` says how often
and with which parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resumer_daemon.store.session import Session
from resumer_daemon.store.triggers import READ_TRIGGERS


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of background work."""

    name: str

    async def run(self, session: Session, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run it in the session's transaction and return its rows.

        The statement also receives the session's `timezone` and `schema`.
        """
        place = {"timezone": session.timezone, "schema": session.schema}
        return await session.fetch_all(self.name, {**place, **parameters})


FIND_TRIGGERS = Statement(READ_TRIGGERS)
GUARD_NOTIFY_QUEUE = Statement("maintenance.guard_notify_queue")
MARK_DEAD_INSTANCES = Statement("maintenance.mark_dead_instances")
RELEASE_EXPIRED_HOLDS = Statement("maintenance.release_expired_holds")
RECONCILE_VANISHED = Statement("maintenance.reconcile_vanished")
RECONCILE_RECORDS = Statement("maintenance.reconcile_ended_pauses")
RECONCILE_EXPIRIES = Statement("maintenance.reconcile_expiries")
RECONCILE_DECISIONS = Statement("maintenance.reconcile_decisions")
RECONCILE_EXECUTIONS = Statement("maintenance.reconcile_executions")
RECONCILE_PARKED = Statement("maintenance.reconcile_parked_requests")
RECONCILE_EVENTS = Statement("maintenance.reconcile_events")
DELETE_VANISHED_LEASES = Statement("maintenance.delete_vanished_leases")
ERASE_REQUESTS = Statement("maintenance.erase_requests")
ERASE_EVENTS = Statement("maintenance.erase_events")
ERASE_EFFECTS = Statement("maintenance.erase_effects")
ERASE_MESSAGES = Statement("maintenance.erase_messages")
ERASE_PAUSES = Statement("maintenance.erase_pauses")
ERASE_DEFINITIONS = Statement("maintenance.erase_definitions")
