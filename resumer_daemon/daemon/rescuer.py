"""Finds daemons that hold leases and are silent: what they hold is past, whoever looks goes on."""

from collections.abc import Sequence
from time import monotonic
from typing import Final

import structlog

from resumer_daemon.daemon.background import Facts, Row
from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

FREED: Final = 10_000
"""Leases of the dead that end in one look, at most."""


class Rescuer:
    """Calls nobody dead before it has itself reached the database for `silence` seconds.

    For after an outage everybody has been silent.
    """

    def __init__(self, silence: float, metrics: Metrics, wakeup: Wakeup) -> None:
        self._silence = silence
        self._metrics = metrics
        self._wakeup = wakeup
        self._since = 0.0
        self._reached: float | None = None

    def facts(self) -> Facts:
        """Return what the look goes by; called before each, also where the database is away."""
        now = monotonic()
        since, self._reached = self._reached, None  # stays None where the database is away
        self._since = now if since is None else since
        return {"sure": now - self._since >= self._silence, "limit": FREED}

    def found(self, rows: Sequence[Row]) -> None:
        """Take who is dead since, and how many leases were freed: the look is committed."""
        self._reached = self._since
        for row in rows:
            for instance in row["dead"]:
                log.warning("daemon_dead", instance=str(instance))
            self._metrics.dead_daemons.inc(len(row["dead"]))
            if row["freed"]:
                self._wakeup.set("reconcile")
