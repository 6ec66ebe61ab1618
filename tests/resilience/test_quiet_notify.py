"""While a daemon looks anyway writers do not notify, and no decision is missed for that.

Nothing polls here within the life of a test: what nobody calls for and nobody looks for stays.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from resumer_daemon.daemon.polling import LATE_WRITERS, MANY_FOUND, POLL_STEPS, NotifySuppression
from resumer_daemon.store.inbox import QueueStatus
from tests.harness import Database, eventually_sync
from tests.harness.inbox import listening
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

NEVER: dict[str, Any] = {"poll_interval": 3600.0, "reconcile_interval": 3600.0}
DECIDE = "UPDATE approval_requests SET status = 'approved' WHERE execution_id = %s"
AWAKE = "SELECT polling_until > clock_timestamp() FROM resumer.control"
UNTIL_AWAKE = """DO $$ BEGIN LOOP
  PERFORM FROM resumer.control WHERE polling_until > clock_timestamp();
  EXIT WHEN FOUND;
  PERFORM pg_sleep(0.001);
END LOOP; END $$"""
WRITERS = 6


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def paused(service: Service, count: int) -> list[UUID]:
    start = "SELECT resumer.start('flow') FROM generate_series(1, %s)"
    started = [execution for (execution,) in service.database.run(start, count)]
    eventually_sync(lambda: left(service, "paused") == count, 60, of="all are paused")
    return started


def left(service: Service, status: str) -> int:
    [(count,)] = service.database.run(
        "SELECT count(*) FROM workflow_executions WHERE status = %s", status
    )
    return int(count)


def write(url: str, executions: list[UUID], seed: int) -> None:
    """Decide in bursts and one by one, some in transactions that stay open or see old snapshots."""
    chance = random.Random(seed)  # noqa: S311
    wait = "SELECT pg_sleep(%s)"
    with psycopg.connect(url) as connection:
        for number, execution in enumerate(executions):
            quick = number % 40 < 30
            if chance.random() < 0.1:
                connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            with connection.transaction():
                if not quick and chance.random() < 0.3:
                    connection.execute(wait, [chance.random() * 0.05])
                connection.execute(DECIDE, [execution])
                if not quick:
                    connection.execute(wait, [chance.choice((0.001, 0.05, 0.4)) * chance.random()])
            connection.set_isolation_level(None)
            if not quick:
                connection.execute(wait, [chance.choice((0.005, 0.1, 0.8)) * chance.random()])
                connection.commit()


def decide_all(service: Service, executions: list[UUID]) -> Iterator[None]:
    """Let the writers go; yield while they are at it."""
    with ThreadPoolExecutor(WRITERS) as threads:
        writing = [
            threads.submit(write, service.database.url, executions[number::WRITERS], number)
            for number in range(WRITERS)
        ]
        yield
        for each in writing:
            each.result()


@contextmanager
def awake(service: Service, executions: list[UUID]) -> Iterator[psycopg.Connection[Any]]:
    """Keep a daemon busy until it says awake; yield a writer that has not committed since then."""
    *others, last = executions
    many = "UPDATE approval_requests SET status = 'approved' WHERE execution_id = ANY (%s)"
    with psycopg.connect(service.database.url) as connection:
        for start in range(0, len(others), MANY_FOUND):
            service.database.run(many, others[start : start + MANY_FOUND])
            if read_awake(connection, last):
                break
            connection.rollback()
        else:
            raise AssertionError("nobody says awake, however much there is to do")
        service.database.run(many, others)
        yield connection


def read_awake(connection: psycopg.Connection[Any], execution: UUID) -> bool:
    """Decide while somebody says awake, before and after; false if nobody does soon."""
    for _ in range(100):
        if connection.execute(AWAKE).fetchone() == (True,):
            connection.execute(DECIDE, [execution])
            return connection.execute(AWAKE).fetchone() == (True,)
        connection.execute("SELECT pg_sleep(0.001)")
    return False


def asleep(service: Service) -> None:
    """Wait until nobody says awake, and whoever would sleep then sleeps."""
    eventually_sync(lambda: service.database.run(AWAKE) == [(False,)], of="nobody is awake")
    service.database.run("SELECT pg_sleep(0.3)")


def test_who_read_awake_and_commits_long_after_is_found(service: Service):
    with running(service.database, **NEVER):
        with awake(service, paused(service, 100)) as late:
            asleep(service)
            assert left(service, "completed") == 99
            late.commit()
        eventually_sync(lambda: left(service, "completed") == 100)


def test_who_read_awake_of_a_daemon_that_died_is_found_too(service: Service, tmp_path: Path):
    with process(service.database, tmp_path / "one", **NEVER) as one:
        eventually_sync(one.ready, 40)
        executions = paused(service, 100)
        with running(service.database, **NEVER):
            with awake(service, executions) as late:
                one.kill()
                asleep(service)
                late.commit()
            eventually_sync(lambda: left(service, "completed") == 100)


def test_no_decision_is_missed_between_waking_and_sleeping(service: Service):
    with running(service.database, **NEVER):
        executions = paused(service, 900)
        for _ in decide_all(service, executions):
            pass
        eventually_sync(lambda: left(service, "completed") == 900, 30, of="all are completed")
        eventually_sync(lambda: service.database.run(AWAKE) == [(False,)], of="it lies down")


def test_a_daemon_that_sleeps_looks_for_one_that_died_awake(service: Service, tmp_path: Path):
    with process(service.database, tmp_path / "one", **NEVER) as one:
        eventually_sync(one.ready, 40)
        executions = paused(service, 600)
        with process(service.database, tmp_path / "two", **NEVER) as two:
            eventually_sync(two.ready, 40)
            for _ in decide_all(service, executions):
                service.database.run(UNTIL_AWAKE)
                one.kill()
            eventually_sync(lambda: left(service, "completed") == 600, 30, of="all are completed")


UNTIL_WHEN = "SELECT polling_until, polling_until > clock_timestamp() FROM resumer.control"


def test_while_a_daemon_looks_anyway_no_decision_notifies(service: Service, database: Database):
    """Neither those of one that lies down meanwhile, nor of one that has said it anew, count."""
    loud = 0
    with running(database, **NEVER):
        executions = paused(service, 300)
        asleep(service)
        with listening(database) as ear, database.connect() as connection:
            connection.execute(DECIDE.replace("= %s", "= ANY(%s)"), [executions[:100]])
            connection.execute(UNTIL_AWAKE)
            loud += ear.heard()
            for execution in executions[100:]:
                before = connection.execute(UNTIL_WHEN).fetchone()
                connection.execute(DECIDE, [execution])
                after = connection.execute(UNTIL_WHEN).fetchone()
                loud += not (before == after and after is not None and after[1])
            eventually_sync(lambda: left(service, "completed") == 300, 30)
            heard = ear.heard()
    assert heard <= loud < 200


def look(*, suppressed_for: float | None = None, newest: int = 10, oldest: int = 10) -> QueueStatus:
    return QueueStatus(0, None, False, False, False, None, suppressed_for, False, newest, oldest)


def test_one_decision_now_and_then_does_not_keep_it_awake():
    suppression = NotifySuppression()
    suppression.found_work(MANY_FOUND - 1)
    assert not suppression.is_due
    assert suppression.poll_in(look()) == 0.0  # sure of it, and once more
    assert suppression.poll_in(look()) is None


def test_after_the_last_work_it_looks_again_ever_later_and_then_lies_down():
    suppression = NotifySuppression()
    for _ in range(MANY_FOUND):
        suppression.found_work(1)
    assert suppression.is_due
    suppression.suppressed()
    assert not suppression.is_due
    assert [suppression.poll_in(look(suppressed_for=1.0)) for _ in POLL_STEPS] == list(POLL_STEPS)
    assert suppression.ends
    suppression.restored()
    assert not suppression.ends


def test_nobody_sleeps_while_a_transaction_is_open_that_may_have_seen_it_awake():
    suppression = NotifySuppression()
    assert suppression.poll_in(look(newest=20, oldest=15)) == LATE_WRITERS
    assert suppression.poll_in(look(newest=30, oldest=19)) == LATE_WRITERS
    assert suppression.poll_in(look(newest=40, oldest=20)) == 0.0
    assert suppression.poll_in(look(newest=50, oldest=20)) is None


def test_while_another_is_awake_it_looks_when_that_one_may_have_died():
    suppression = NotifySuppression()
    assert suppression.poll_in(look()) == 0.0
    assert suppression.poll_in(look()) is None
    assert suppression.poll_in(look(suppressed_for=0.2)) == 0.2
    assert suppression.poll_in(look(suppressed_for=0.9)) == LATE_WRITERS
    assert suppression.poll_in(look(newest=20, oldest=19)) == LATE_WRITERS
    assert suppression.poll_in(look(newest=21, oldest=20)) == 0.0
