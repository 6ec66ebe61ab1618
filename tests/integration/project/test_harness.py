"""The harness keeps its promises: each test has a database of its own, of the vintage it named."""

import os
import sys

import pytest

from tests.harness import Database, eventually, eventually_sync, every_vintage

waiting = sys.modules[eventually.__module__]  # the package gives its name to the function


@every_vintage
def test_a_database_is_migrated(database: Database):
    assert database.run("SELECT count(*) FROM resumer.requests") == [(0,)]


@every_vintage
def test_a_database_before_the_first_migration_has_the_service_s_tables_alone(unmigrated: Database):
    assert unmigrated.run("SELECT to_regnamespace('resumer')") == [(None,)]
    [(executions,)] = unmigrated.run("SELECT to_regclass('workflow_executions')::text")
    assert executions == (None if unmigrated.vintage == "empty" else "workflow_executions")


@pytest.mark.parametrize("_", range(2))
def test_nothing_of_another_test_is_seen(database: Database, _: int):
    assert database.run("SELECT to_regclass('mine')") == [(None,)]
    database.run("CREATE TABLE mine ()")


async def test_an_async_connection_sees_the_same_database(database: Database):
    async with await database.aconnect() as connection:
        cursor = await connection.execute("SELECT current_database()")
        assert await cursor.fetchone() == (database.name,)


def test_a_database_of_an_own_server_survives_its_restart(own_server, own_database: Database):
    own_database.run("CREATE TABLE kept ()")
    own_server.restart("immediate")
    assert own_database.run("SELECT count(*) FROM kept") == [(0,)]


async def test_eventually_returns_the_first_true_answer():
    answers = iter([0, "", 3])
    assert await eventually(lambda: next(answers)) == 3


async def test_eventually_asks_an_async_fact():
    answers = iter([False, True])

    async def fact() -> bool:
        return next(answers)

    assert await eventually(fact) is True


async def test_eventually_tells_what_did_not_happen():
    with pytest.raises(AssertionError, match=r"not within 0 s: the sky falls; last answer: \[\]"):
        await eventually(list, timeout=0, of="the sky falls")
    with pytest.raises(AssertionError, match="last answer: None"):
        eventually_sync(lambda: None, timeout=0)


async def test_eventually_waits_as_many_times_longer_as_the_patience_says(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(waiting, "slowness", lambda: 1.0)
    monkeypatch.setenv("RESUMER_TEST_PATIENCE", "2.5")
    with pytest.raises(AssertionError, match=r"not within 0\.05 s"):
        await eventually(list, timeout=0.02)
    with pytest.raises(AssertionError, match=r"not within 0\.05 s"):
        eventually_sync(list, timeout=0.02)


async def test_a_limit_grows_with_the_slowness_that_is_measured_when_it_is_reached(
    monkeypatch: pytest.MonkeyPatch,
):
    measured: list[float] = []

    def slow() -> float:
        measured.append(30.0)
        return measured[-1]

    monkeypatch.setattr(waiting, "slowness", slow)
    assert eventually_sync(lambda: True)
    assert measured == []
    assert eventually_sync(lambda: measured, timeout=0.01) == [30.0]
    with pytest.raises(AssertionError, match=r"not within 0\.03 s"):
        await eventually(list, timeout=0.001)
    assert measured == [30.0, 30.0]


def test_a_busy_machine_is_measured_as_slow(monkeypatch: pytest.MonkeyPatch):
    cores = os.cpu_count() or 1
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0 * cores, 0.0, 0.0))
    assert 6.0 <= waiting.slowness() <= waiting.SLOWEST
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0 * cores, 0.0, 0.0))
    assert waiting.slowness() == waiting.SLOWEST
