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
    """Reports triggers that do not fire. `enforces`: the decision guard must fire.

    It calls `hasten` with whether a trigger is missing.
    """

    def __init__(self, metrics: Metrics, hasten: Callable[[bool], None], *, enforces: bool) -> None:
        self._metrics = metrics
        self._hasten = hasten
        self._enforces = enforces

    def found(self, rows: Sequence[Row]) -> None:
        """Receive the triggers that exist, and which of them fire."""
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


FULL, FREE = 0.5, 0.1  # shares of the server's notification queue


class NotifyQueueGuard:
    """Stops NOTIFY while the server's notification queue is half full, until it is nearly empty.

    Daemons poll meanwhile. A session of another program that listens and is idle in a transaction
    makes the server keep all notifications, and commits fail once the queue is full. `notify` is
    the setting. A daemon that has not itself seen a full queue leaves what an administrator wrote.
    """

    def __init__(self, notify: str) -> None:
        self._notify = notify
        self._spares = False

    def facts(self) -> Facts:
        """Return the parameters of the statement."""
        return {"full": FULL, "free": FREE, "spares": self._spares, "notify": self._notify}

    def found(self, rows: Sequence[Row]) -> None:
        """Receive how full the queue is, and the new mode of NOTIFY where it changed."""
        for row in rows:
            usage, became = row["usage"], row["became"]
            self._spares = usage >= FULL or (self._spares and usage >= FREE)
            if became is not None:
                log.warning("notify_mode_changed", notify=became, queue_usage=round(usage, 3))


FREED: Final = 10_000
"""Leases of dead instances that one statement expires, at most."""


class InstanceReaper:
    """Declares instances dead that sent no heartbeat for `silence` seconds, and frees their leases.

    It declares none dead before it has itself reached the database for as long, because after an
    outage no instance has sent a heartbeat.
    """

    def __init__(self, silence: float, metrics: Metrics, wakeup: Wakeup) -> None:
        self._silence = silence
        self._metrics = metrics
        self._wakeup = wakeup
        self._since = 0.0
        self._reached: float | None = None

    def facts(self) -> Facts:
        """Return the parameters of the statement. Called before each run, also during an outage."""
        now = monotonic()
        since, self._reached = self._reached, None  # stays None if the database cannot be reached
        self._since = now if since is None else since
        return {"sure": now - self._since >= self._silence, "limit": FREED}

    def found(self, rows: Sequence[Row]) -> None:
        """Receive the instances that were declared dead, and how many leases were freed."""
        self._reached = self._since
        for row in rows:
            for instance in row["dead"]:
                log.warning("instance_declared_dead", instance=str(instance))
            self._metrics.instances_declared_dead.inc(len(row["dead"]))
            if row["freed"]:
                self._wakeup.set("reconcile")


FIRST_ID: Final = UUID(int=0)
HOUR: Final = timedelta(hours=1).total_seconds()
ERASE_INTERVAL: Final = 60.0
"""Seconds between two runs of a scan that erases rows older than the retention."""


def background_tasks(
    settings: Settings, triggers: TriggerWatch, queue: NotifyQueueGuard, instances: InstanceReaper
) -> list[Task]:
    """Return the tasks of a daemon."""
    often = settings.reconcile_interval
    return [
        Query("triggers", maintenance.FIND_TRIGGERS, often, triggers.found),
        Query("queue", maintenance.GUARD_NOTIFY_QUEUE, often, queue.found, queue.facts),
        Query(
            "daemons",
            maintenance.MARK_DEAD_INSTANCES,
            silence(settings.lease) / 2,
            instances.found,
            instances.facts,
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
    """Return a scan in the order of the ids of executions."""
    first = {"after": FIRST_ID}
    return Scan(name=name, statement=statement, interval=interval, first=first, limit=limit)


def _erasing(settings: Settings) -> list[Scan]:
    """Return the scans that erase rows older than the retention."""
    kept = {"seconds": settings.ledger_retention}

    def erase(name: str, statement: Statement, first: Facts) -> Scan:
        return Scan(
            name=name,
            statement=statement,
            interval=ERASE_INTERVAL,
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
        erase("old_pauses", maintenance.ERASE_PAUSES, {"after": FIRST_ID, "number": 0}),
        erase("old_definitions", maintenance.ERASE_DEFINITIONS, {"after": ""}),
    ]
