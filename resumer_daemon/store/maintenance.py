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
GUARD_NOTIFY_QUEUE = Statement("spare_queue")
MARK_DEAD_INSTANCES = Statement("bury_daemons")
RELEASE_EXPIRED_HOLDS = Statement("release_holds")
RECONCILE_VANISHED = Statement("reconcile_vanished")
RECONCILE_RECORDS = Statement("reconcile_records")
RECONCILE_EXPIRIES = Statement("reconcile_expiries")
RECONCILE_DECISIONS = Statement("reconcile_decisions")
RECONCILE_EXECUTIONS = Statement("reconcile_executions")
RECONCILE_PARKED = Statement("reconcile_held")
RECONCILE_EVENTS = Statement("reconcile_events")
DELETE_VANISHED_LEASES = Statement("forget_leases")
ERASE_REQUESTS = Statement("erase_requests")
ERASE_EVENTS = Statement("erase_events")
ERASE_EFFECTS = Statement("erase_effects")
ERASE_MESSAGES = Statement("erase_outbox")
ERASE_PAUSES = Statement("erase_pauses")
ERASE_DEFINITIONS = Statement("erase_definitions")
