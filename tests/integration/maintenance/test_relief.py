"""A queue of notifications that fills: our triggers fall silent before a decision fails by it."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from resumer_daemon.daemon import maintenance
from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness import Database, eventually_sync
from tests.harness.database import Databases
from tests.harness.running import running
from tests.harness.server import binaries
from tests.harness.service import Service, allow, ask


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database on a server of its own, whose queue counts as half full after 4 MB."""
    monkeypatch.setattr(maintenance, "FULL", 0.0005)
    monkeypatch.setattr(maintenance, "FREE", 0.0001)
    with EmbeddedPostgres(binaries=binaries()) as server:
        yield Databases(server.url(), "queue").make("empty", migrated=True)


def fill(database: Database, pages: int) -> None:
    database.run(
        "SELECT count(pg_notify('elsewhere', lpad(n::text, 7900))) FROM generate_series(1, %s) n",
        pages,
    )


def idle_in_transaction(database: Database) -> psycopg.Connection[Any]:
    """Listen, and keep the server from forgetting what it has to tell us."""
    listener = psycopg.connect(database.url)
    listener.execute("LISTEN elsewhere")
    listener.commit()
    listener.execute("SELECT 1")
    return listener


def notify(database: Database) -> str:
    [(said,)] = database.run("SELECT notify FROM resumer.control")
    return str(said)


def decided(service: Service) -> None:
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


def test_triggers_fall_silent_until_the_queue_has_emptied(alone: Database):
    service = Service(alone)
    service.workflow(ask(), allow())
    with running(alone):
        with idle_in_transaction(alone):
            fill(alone, 300)
            decided(service)
            assert notify(alone) == "auto"  # not half full yet
            fill(alone, 300)
            eventually_sync(lambda: notify(alone) == "off")
            decided(service)
        eventually_sync(lambda: notify(alone) == "auto")
        decided(service)


def test_what_an_administrator_wrote_stays(alone: Database):
    service = Service(alone)
    service.workflow(ask(), allow())
    with running(alone, notify="on"):
        eventually_sync(lambda: notify(alone) == "on")
        alone.run("UPDATE resumer.control SET notify = 'off'")
        with idle_in_transaction(alone):
            fill(alone, 300)
            decided(service)
        decided(service)
        assert notify(alone) == "off"


def test_where_the_settings_say_off_it_stays_off(alone: Database):
    with running(alone, notify="off") as daemon:
        eventually_sync(lambda: notify(alone) == "off")
        with idle_in_transaction(alone):
            fill(alone, 600)
            eventually_sync(lambda: daemon.metric("resumer_notification_queue_usage") > 0.0005)
        eventually_sync(lambda: daemon.metric("resumer_notification_queue_usage") < 0.0001)
        assert notify(alone) == "off"
