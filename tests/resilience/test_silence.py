"""A network path that stops responding without closing: every connection leaves it."""

from collections.abc import Iterator
from typing import Any

import pytest

from resumer_daemon.errors import Unreachable
from resumer_daemon.store import connection, gauges
from resumer_daemon.store import session as store
from resumer_daemon.store.connection import ARGUMENTS
from tests.harness import Database, eventually_sync
from tests.harness.proxy import Proxy, proxying
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

QUICK: dict[str, Any] = {
    "ping_interval": "300ms",
    "ping_deadline": "300ms",
    "poll_interval": "300ms",
    "poll_only_interval": "300ms",
}


@pytest.fixture
def proxy(database: Database, monkeypatch) -> Iterator[Proxy]:
    monkeypatch.setattr(connection, "SILENCE", 0.5)
    monkeypatch.setattr(gauges, "PATIENCE", 0.5)
    monkeypatch.setitem(ARGUMENTS, "connect_timeout", 2)
    with proxying(database) as made:
        yield made


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def decided(service: Service) -> None:
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


def test_all_connections_leave_a_path_that_does_not_respond(
    service: Service, database: Database, proxy: Proxy
):
    with running(proxy.to(database), **QUICK) as daemon:
        decided(service)
        execution = service.paused()
        proxy.stall()
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: not daemon.ready(), of="the worker noticed")
        eventually_sync(lambda: daemon.metric("resumer_listener_up") == 0)
        proxy.flow()
        assert service.ended(execution)["result"] == "allowed"
        eventually_sync(lambda: daemon.ready() and daemon.metric("resumer_listener_up") == 1)
        decided(service)


def test_worker_leaves_a_dead_path_while_its_listener_stays(
    service: Service, database: Database, proxy: Proxy
):
    with running(proxy.to(database), **QUICK, listen_url=database.url) as daemon:
        execution = service.paused()
        proxy.stall()
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: not daemon.ready())
        assert daemon.metric("resumer_listener_up") == 1
        proxy.flow()
        assert service.ended(execution)["result"] == "allowed"


async def test_transaction_without_response_times_out(database: Database, proxy: Proxy):
    session = await store.Database(proxy.to(database).url).session()
    proxy.stall()
    with pytest.raises(Unreachable, match="did not respond within"):
        async with session.transaction():
            await session.run("tokens.read_time")
    assert session.connection.broken
