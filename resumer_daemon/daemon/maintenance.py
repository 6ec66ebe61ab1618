"""The background tasks: what each does, how often, and how much at once."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.background import Facts, Query, Row, Scan, Task
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.store import maintenance
from resumer_daemon.store.leases import silence
from resumer_daemon.store.maintenance import Statement
from resumer_daemon.store.triggers import GUARD, TRIGGERS
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


class TriggerWatch:
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
                "triggers_disabled",
                triggers=sorted(disabled),
                remedy="resumer-daemon migrate triggers on",
            )
        if missing - disabled:
            log.error(
                "triggers_missing",
                triggers=sorted(missing - disabled),
                remedy="resumer-daemon migrate up",
            )


FULL, FREE = 0.5, 0.1


class NotifyQueueGuard:
    """Has triggers fall silent where the queue is half full, until it has all but emptied.

    What they leave is found by polling meanwhile. `notify` is what the settings say; a daemon that
    has not itself seen the queue half full leaves what an administrator wrote.
    """

    def __init__(self, notify: str) -> None:
        self._notify = notify
        self._spares = False

    def facts(self) -> Facts:
        """Return what the statement goes by."""
        return {"full": FULL, "free": FREE, "spares": self._spares, "notify": self._notify}

    def found(self, rows: Sequence[Row]) -> None:
        """Take how full the queue is, and whether triggers notify otherwise since."""
        for row in rows:
            usage, became = row["usage"], row["became"]
            self._spares = usage >= FULL or (self._spares and usage >= FREE)
            if became is not None:
                log.warning("notify_mode_changed", notify=became, queue_usage=round(usage, 3))


FREED: Final = 10_000
"""Leases of the dead that end in one look, at most."""


class InstanceReaper:
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
                log.warning("instance_declared_dead", instance=str(instance))
            self._metrics.instances_declared_dead.inc(len(row["dead"]))
            if row["freed"]:
                self._wakeup.set("reconcile")


NOBODY: Final = UUID(int=0)
HOUR: Final = timedelta(hours=1).total_seconds()
ERASING: Final = 60.0
"""Seconds between two beats of a walk that erases what is kept no longer."""


def background_tasks(
    settings: Settings, watch: TriggerWatch, relief: NotifyQueueGuard, rescuer: InstanceReaper
) -> list[Task]:
    """Return the tasks of a daemon."""
    often = settings.reconcile_interval
    return [
        Query("triggers", maintenance.FIND_TRIGGERS, often, watch.found),
        Query("queue", maintenance.GUARD_NOTIFY_QUEUE, often, relief.found, relief.facts),
        Query(
            "daemons",
            maintenance.MARK_DEAD_INSTANCES,
            silence(settings.lease) / 2,
            rescuer.found,
            rescuer.facts,
        ),
        Scan(
            name="holds",
            statement=maintenance.RELEASE_EXPIRED_HOLDS,
            interval=often,
            first={},
            limit=1_000,
        ),
        _by_key("vanished", maintenance.RECONCILE_VANISHED, 100, often),
        _by_key("records", maintenance.RECONCILE_RECORDS, 100, often),
        _by_key("expiries", maintenance.RECONCILE_EXPIRIES, 100, often),
        _by_key("decisions", maintenance.RECONCILE_DECISIONS, 100, often),
        _by_key("executions", maintenance.RECONCILE_EXECUTIONS, 500, often),
        Scan(
            name="held",
            statement=maintenance.RECONCILE_PARKED,
            interval=often,
            first={"after": 0},
            limit=500,
        ),
        _by_key("leases", maintenance.DELETE_VANISHED_LEASES, 500, often),
        Scan(
            name="events",
            statement=maintenance.RECONCILE_EVENTS,
            interval=often,
            first={"moment": None},
            limit=1_000,
            remembers=HOUR,
        ),
        *_erasing(settings),
    ]


def _by_key(name: str, statement: Statement, limit: int, interval: float) -> Scan:
    """Return a walk in the order of the ids of executions."""
    first = {"after": NOBODY}
    return Scan(name=name, statement=statement, interval=interval, first=first, limit=limit)


def _erasing(settings: Settings) -> list[Scan]:
    """Return the walks that erase what is kept no longer."""
    kept = {"seconds": settings.ledger_retention}

    def erase(name: str, statement: Statement, first: Facts) -> Scan:
        return Scan(
            name=name,
            statement=statement,
            interval=ERASING,
            first=first,
            limit=1_000,
            erases=True,
            facts=kept,
        )

    return [
        erase("old_requests", maintenance.ERASE_REQUESTS, {"after": 0}),
        erase("old_events", maintenance.ERASE_EVENTS, {"after": 0}),
        erase("old_effects", maintenance.ERASE_EFFECTS, {"after": ""}),
        erase("old_messages", maintenance.ERASE_MESSAGES, {"after": ""}),
        erase("old_pauses", maintenance.ERASE_PAUSES, {"after": NOBODY, "number": 0}),
        erase("old_definitions", maintenance.ERASE_DEFINITIONS, {"after": ""}),
    ]
