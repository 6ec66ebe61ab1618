"""The wakeups of a worker that would not poll for an hour."""

from threading import Event
from typing import Any

import pytest

from resumer_daemon.daemon.batch import BatchProcessor, BatchResult
from resumer_daemon.daemon.polling import Wakeup, WakeupSource
from resumer_daemon.store.session import Session
from tests.harness import Database, eventually, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

SILENT = "SELECT polling_until <= clock_timestamp() FROM resumer.control"
HOUR: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "1h"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def test_a_timer_wakes_the_worker(service: Service, database: Database):
    wait = {"id": "wait", "type": "wait", "wait": {"duration": "2s"}, "next": "release"}
    service.workflow(wait, allow())
    with running(database, **HOUR) as daemon:
        execution = service.paused()
        assert service.ended(execution)["result"] == "allowed"
        assert daemon.metric("resumer_wakeups_total", source="timer") >= 1


def test_a_notification_during_a_turn_wakes_the_worker_again(
    service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
):
    """The decision is committed, and heard of, after the turn has looked and before it ends."""
    service.workflow(ask(), allow())
    process, wake = BatchProcessor.process_due, Wakeup.set
    asked: list[str] = []
    decided, heard = Event(), Event()

    def hears(self: Wakeup, source: WakeupSource) -> None:
        wake(self, source)
        if decided.is_set():
            heard.set()

    async def decides(self: BatchProcessor, session: Session, **options: bool) -> BatchResult:
        result = await process(self, session, **options)
        if asked and not result.executions and not decided.is_set():
            decided.set()
            service.decide(asked[0], "approved")
            await eventually(heard.is_set)
        return result

    monkeypatch.setattr(BatchProcessor, "process_due", decides)
    monkeypatch.setattr(Wakeup, "set", hears)
    with running(database, **HOUR):
        execution = service.paused()
        # else it looks by itself before long, whatever it hears
        eventually_sync(lambda: database.run(SILENT) == [(True,)], of="writers notify")
        asked += service.asked(execution)
        database.run("NOTIFY resumer_wake")
        assert service.ended(execution)["result"] == "allowed"
