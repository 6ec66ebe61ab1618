"""Looks whether our triggers are there: what they do not leave, the walks must find."""

from collections.abc import Callable, Sequence

import structlog

from resumer_daemon.daemon.background import Row
from resumer_daemon.store.triggers import GUARD, TRIGGERS
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


class Watch:
    """Says which triggers do not fire. `enforces`: the guard of decisions must be one that does.

    `hasten` is told whether one is missing.
    """

    def __init__(self, metrics: Metrics, hasten: Callable[[bool], None], *, enforces: bool) -> None:
        self._metrics = metrics
        self._hasten = hasten
        self._enforces = enforces

    def found(self, rows: Sequence[Row]) -> None:
        """Take the names of the triggers that are there, and which of them fire."""
        present = {row["tgname"] for row in rows if row["fires"]}
        if self._enforces and GUARD not in present:
            log.error("guard_not_enforced", remedy="resumer-daemon migrate up")
        missing = TRIGGERS - present
        self._metrics.triggers_missing.set(len(missing))
        self._hasten(bool(missing))
        disabled = missing.intersection(row["tgname"] for row in rows)
        if disabled:
            log.warning(
                "triggers_off",
                triggers=sorted(disabled),
                remedy="resumer-daemon migrate triggers on",
            )
        if missing - disabled:
            log.error(
                "triggers_missing",
                triggers=sorted(missing - disabled),
                remedy="resumer-daemon migrate up",
            )
