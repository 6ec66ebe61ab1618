"""The list of background tasks: what each does, how often, and how much at once."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from resumer_daemon.config import Settings
from resumer_daemon.daemon.background import Facts, Look, Task, Walk
from resumer_daemon.daemon.relief import Relief
from resumer_daemon.daemon.rescuer import Rescuer
from resumer_daemon.daemon.watch import Watch
from resumer_daemon.store.leases import silence
from resumer_daemon.store.triggers import FIRING

NOBODY: Final = UUID(int=0)
HOUR: Final = timedelta(hours=1).total_seconds()
ERASING: Final = 60.0
"""Seconds between two beats of a walk that erases what is kept no longer."""


def tasks(settings: Settings, watch: Watch, relief: Relief, rescuer: Rescuer) -> list[Task]:
    """Return the tasks of a daemon."""
    often = settings.reconcile_interval
    return [
        Look("triggers", FIRING, often, watch.found),
        Look("queue", "spare_queue", often, relief.found, relief.facts),
        Look("daemons", "bury_daemons", silence(settings.lease) / 2, rescuer.found, rescuer.facts),
        Walk(name="holds", statement="release_holds", interval=often, first={}, limit=1_000),
        _by_key("vanished", "reconcile_vanished", 100, often),
        _by_key("records", "reconcile_records", 100, often),
        _by_key("expiries", "reconcile_expiries", 100, often),
        _by_key("decisions", "reconcile_decisions", 100, often),
        _by_key("executions", "reconcile_executions", 500, often),
        Walk(
            name="held",
            statement="reconcile_held",
            interval=often,
            first={"after": 0},
            limit=500,
        ),
        _by_key("leases", "forget_leases", 500, often),
        Walk(
            name="events",
            statement="reconcile_events",
            interval=often,
            first={"moment": None},
            limit=1_000,
            remembers=HOUR,
        ),
        *_erasing(settings),
    ]


def _by_key(name: str, statement: str, limit: int, interval: float) -> Walk:
    """Return a walk in the order of the ids of executions."""
    first = {"after": NOBODY}
    return Walk(name=name, statement=statement, interval=interval, first=first, limit=limit)


def _erasing(settings: Settings) -> list[Walk]:
    """Return the walks that erase what is kept no longer."""
    kept = {"seconds": settings.retention}

    def erase(name: str, statement: str, first: Facts) -> Walk:
        return Walk(
            name=name,
            statement=statement,
            interval=ERASING,
            first=first,
            limit=1_000,
            erases=True,
            facts=kept,
        )

    return [
        erase("old_requests", "erase_requests", {"after": 0}),
        erase("old_events", "erase_events", {"after": 0}),
        erase("old_effects", "erase_effects", {"after": ""}),
        erase("old_messages", "erase_outbox", {"after": ""}),
        erase("old_pauses", "erase_pauses", {"after": NOBODY, "number": 0}),
        erase("old_definitions", "erase_definitions", {"after": ""}),
    ]
