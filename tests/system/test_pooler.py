"""The daemon through pgbouncer in transaction mode: each transaction may get another backend."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Database, eventually, eventually_sync
from tests.harness.load import Load
from tests.harness.pooler import pooling
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

WEBHOOK = {"id": "send", "type": "execute", "next": "ask"}


@pytest.fixture
def pooled(database: Database, server: str) -> Iterator[Database]:
    with pooling(server) as pooler:
        yield pooler.to(database)


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_decisions_through_a_pooler_apply_once(
    service: Service, database: Database, pooled: Database
):
    service.workflow(ask(), allow())
    with (
        running(pooled, listen_url=database.url) as one,
        running(pooled, listen_url=database.url) as two,
        Load(service, 100) as load,
    ):
        load.check()
        for daemon in (one, two):
            assert daemon.metric("resumer_listen_mode", mode="notify") == 1
            assert daemon.metric("resumer_database_errors_total") == 0


def test_daemon_polls_behind_a_pooler_without_listen_url(service: Service, pooled: Database):
    service.workflow(ask(), allow())
    slow: dict[str, Any] = {"poll_interval": "1h", "reconcile_interval": "1h"}
    with running(pooled, listens=False, ping_deadline="200ms", **slow) as daemon:
        eventually_sync(lambda: daemon.metric("resumer_listener_reconnects_total") >= 1)
        assert daemon.metric("resumer_listen_mode", mode="poll") == 1
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"
        assert daemon.metric("resumer_wakeups_total", source="notify") == 0


async def test_webhooks_through_a_pooler_are_recorded(database: Database, pooled: Database):
    service = Service(database)
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url(), "body": {"who": "{{execution.key}}"}}
        service.workflow(WEBHOOK | {"execute": [act]}, ask(), allow())
        with running(pooled, listen_url=database.url, http_allow="localhost") as daemon:
            execution = service.start()
            await eventually(lambda: service.standing(execution)[0] == "paused")
            service.decide(service.asked(execution)[0], "approved")
            await eventually(lambda: service.standing(execution)[0] == "completed")
            assert len(here.requests) == 1
            assert daemon.metric("resumer_database_errors_total") == 0


def test_missed_decisions_through_a_pooler_are_reconciled(
    service: Service, database: Database, pooled: Database
):
    service.workflow(ask(), allow())
    with running(pooled, listen_url=database.url):
        execution = service.paused()
        with database.connect() as person, person.transaction():
            person.execute("SET LOCAL session_replication_role = replica")
            person.execute("UPDATE approval_requests SET status = 'approved'")
        assert service.ended(execution)["result"] == "allowed"


def test_pooled_backend_keeps_no_setting_of_the_daemon(
    service: Service, database: Database, pooled: Database
):
    """`resumer.own` would disable the triggers for the next client of the backend."""
    service.workflow(ask(), allow())
    names = ("resumer.own", "search_path", "enable_seqscan", "statement_timeout", "TimeZone")
    before = _settings(pooled, names)
    with running(pooled, listens=False) as daemon:
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        service.ended(execution)
        for _ in range(20):
            assert _settings(pooled, names) == before
        assert daemon.metric("resumer_database_errors_total") == 0


def _settings(pooled: Database, names: tuple[str, ...]) -> list[Any]:
    # '' after a local setting, NULL before: nobody's either way
    return [
        pooled.run("SELECT coalesce(current_setting(%s, true), '')", name)[0][0] for name in names
    ]
