"""Finds daemons that hold leases and are silent: what they hold is past, whoever looks goes on."""

from time import monotonic

import structlog

from resumer_daemon.daemon.wakeup import Wakeup
from resumer_daemon.store import journal
from resumer_daemon.store.pool import Pool
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


class Rescuer:
    """Calls nobody dead before it has itself reached the database for `silence` seconds.

    For after an outage everybody has been silent.
    """

    def __init__(self, pool: Pool, silence: float, metrics: Metrics, wakeup: Wakeup) -> None:
        self._pool = pool
        self._silence = silence
        self._metrics = metrics
        self._wakeup = wakeup
        self._reached: float | None = None

    async def beat(self) -> None:
        """Look once."""
        now = monotonic()
        since, self._reached = self._reached, None  # stays None where the database is away
        async with self._pool.session() as session:
            sure = since is not None and now - since >= self._silence
            dead, freed = await journal.bury(session, sure=sure)
        self._reached = now if since is None else since
        for instance in dead:
            log.warning("daemon_dead", instance=str(instance))
        self._metrics.dead_daemons.inc(len(dead))
        if freed:
            self._wakeup.set("reconcile")
