"""Executions whose state a newer version of the daemon wrote: this daemon does not touch them.

After a rollback, or beside daemons that are upgraded already, nothing of them is read or written:
the newer version goes on with them. They are claimed again after a while, because by then it may
have.
"""

from collections.abc import Iterable
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

log = structlog.get_logger()

AGAIN: Final = 60.0
"""After how many seconds one is looked at again."""


class NewerStates:
    """What the lanes of one worker have found."""

    def __init__(self) -> None:
        self._until: dict[UUID, float] = {}
        self._told: set[UUID] = set()

    def note(self, executions: Iterable[UUID]) -> None:
        """Leave these alone from now on; the first time it is logged."""
        until = monotonic() + AGAIN
        for execution in executions:
            self._until[execution] = until
            if execution not in self._told:
                self._told.add(execution)
                log.error(
                    "incompatible_state",
                    execution=str(execution),
                    remedy="upgrade this daemon to the version that wrote the state",
                )

    @property
    def executions(self) -> list[UUID]:
        """Return what is not to be claimed now."""
        if self._until:
            now = monotonic()
            self._until = {each: until for each, until in self._until.items() if until > now}
        return list(self._until)
