"""Executions whose state a newer version of the daemon wrote. This daemon leaves them alone.

They occur after a rollback, or beside daemons that are already upgraded. This daemon neither reads
nor writes them, so that the newer version can continue them.
"""

from collections.abc import Iterable
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

log = structlog.get_logger()

SKIP_SECONDS: Final = 60.0
"""Seconds until such an execution is claimed again: the newer version may have moved it by then."""


class NewerStates:
    """The executions that all batches of one daemon skip for now."""

    def __init__(self) -> None:
        self._skip_until: dict[UUID, float] = {}
        self._logged: set[UUID] = set()

    def add(self, executions: Iterable[UUID]) -> None:
        """Skip these executions for `SKIP_SECONDS`. Log each of them once."""
        until = monotonic() + SKIP_SECONDS
        for execution in executions:
            self._skip_until[execution] = until
            if execution not in self._logged:
                self._logged.add(execution)
                log.error(
                    "incompatible_state",
                    execution=str(execution),
                    remedy="upgrade this daemon to the version that wrote the state",
                )

    @property
    def executions(self) -> list[UUID]:
        """The executions to skip now."""
        if self._skip_until:
            now = monotonic()
            self._skip_until = {
                execution: until for execution, until in self._skip_until.items() if until > now
            }
        return list(self._skip_until)
