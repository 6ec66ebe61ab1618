"""Retention after the end of an execution; a deleted execution keeps no body at all."""

from uuid import UUID

import pytest

from resumer_daemon.store import definition_cache
from tests.harness import Database
from tests.harness.database import give_rights, member_of
from tests.harness.running import by_hand, running
from tests.harness.service import Rows, Service, allow, ask

ERASING = ("old_requests", "old_events", "old_effects", "old_messages", "old_pauses")
LEFT = {
    "settled_requests": "SELECT execution_id, payload IS NOT NULL FROM resumer.settled_requests",
    "effects": "SELECT execution_id, request <> '{}' AND response IS NOT NULL FROM resumer.effects",
    "outbox": "SELECT execution_id, body <> '{}' FROM resumer.outbox",
    "pauses": "SELECT execution_id, state IS NOT NULL AND incident IS NOT NULL"
    " AND waiting <> '{}' AND next_steps <> '{}' FROM resumer.pauses",
}
GONE = UUID(int=7)


def worked(database: Database, execution: UUID, number: int) -> None:
    """Leave of an execution what a daemon leaves, as of two hours ago."""
    database.run(
        "INSERT INTO resumer.settled_requests"
        " (id, execution_id, kind, outcome, payload, due_at, requested_at, finished_at)"
        " SELECT %s, %s, 'manual', 'applied', '{\"who\": \"Mia\"}', t, t, t"
        " FROM (SELECT now() - interval '2 hours' AS t) AS long_ago",
        number,
        execution,
    )
    database.run(
        "INSERT INTO resumer.effects (key, execution_id, path, kind, request, delivery, status,"
        " attempts, response, error, epoch, intended_at, finished_at) VALUES (%s, %s, 'send',"
        " 'webhook', '{\"body\": 1}', 'at_least_once', 'done', 1, '{\"a\": 1}', 'e', 1,"
        " now() - interval '2 hours', now() - interval '2 hours')",
        str(number),
        execution,
    )
    database.run(
        "INSERT INTO resumer.outbox (key, execution_id, kind, body, state, created_at)"
        " VALUES (%s, %s, 'notify', '{\"to\": \"mia\"}', 'delivered', now() - interval '2 hours')",
        str(number),
        execution,
    )
    database.run(
        "INSERT INTO resumer.pauses (execution_id, number, reason, next_steps, waiting, state,"
        " incident, resumed_at, resumed_by) VALUES (%s, 1, 'approval_required',"
        " '{\"on\": 1}', '{\"a\": 1}', '{\"v\": 1}', '{}', now() - interval '2 hours', 'approval')",
        execution,
    )


def ended(database: Database, execution: UUID, ago: str) -> None:
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL resumer.own = 'on'")
        connection.execute(
            "UPDATE workflow_executions SET completed_at ="
            " (now() AT TIME ZONE 'UTC') - %s::interval WHERE id = %s",
            [ago, execution],
        )


def left(database: Database, execution: UUID) -> dict[str, bool]:
    """Return the tables that have a row of it, and whether its bodies are there."""
    found = {name: dict(database.run(query)) for name, query in LEFT.items()}
    return {name: rows[execution] for name, rows in found.items() if execution in rows}


async def erase(database: Database, retention: str | None) -> dict[str, float]:
    """Run a lap of each walk that erases, in small slices; return how many rows it changed."""
    async with by_hand(database, ledger_retention=retention) as hand:
        for name in ERASING:
            await hand.lap(name, limit=2)
        return {
            table: hand.counted("resumer_erased_total", table=table)
            for table in ("requests", "effects", "outbox", "pauses")
        }


FULL = dict.fromkeys(LEFT, True)
EMPTY = dict.fromkeys(LEFT, False)


async def test_all_of_an_execution_goes_some_time_after_its_end_but_for_the_proof_that_it_was_ours(
    database: Database, rows: Rows
):
    """The remaining row of a pause keeps the guard, and nobody adopts the execution again."""
    old, recent, running = (rows.execution(s) for s in ("completed", "completed", "running"))
    for number, execution in enumerate((old, recent, running), 1):
        worked(database, execution, number)
    ended(database, old, "2 hours")
    ended(database, recent, "0")
    await erase(database, "1h")
    assert left(database, old) == {"pauses": False}
    assert database.run("SELECT resumer.is_ours(%s, 'completed')", old) == [(True,)]
    assert (left(database, recent), left(database, running)) == (FULL, FULL)


async def test_without_a_setting_all_is_kept_but_bodies_of_executions_that_were_deleted(
    database: Database, rows: Rows
):
    there = rows.execution("completed")
    for number, execution in enumerate((there, GONE), 1):
        worked(database, execution, number)
    ended(database, there, "2 hours")
    assert await erase(database, None) == dict.fromkeys(
        ("requests", "effects", "outbox", "pauses"), 1
    )
    assert (left(database, there), left(database, GONE)) == (FULL, EMPTY)
    assert set((await erase(database, None)).values()) == {0}  # it is done


async def test_what_is_left_of_a_deleted_execution_goes_in_its_time(database: Database):
    worked(database, GONE, 1)
    await erase(database, "3h")
    assert left(database, GONE) == EMPTY
    await erase(database, "1h")
    assert left(database, GONE) == {}


async def test_a_message_that_nobody_has_delivered_stays(database: Database):
    worked(database, GONE, 1)
    database.run("UPDATE resumer.outbox SET state = 'pending'")
    await erase(database, "1h")
    assert left(database, GONE) == {"outbox": True}


@pytest.mark.parametrize("kind", ["start", "cancel"])
async def test_what_proves_an_end_of_ours_stays_where_there_was_no_pause(
    database: Database, rows: Rows, kind: str
):  # C45
    execution = rows.execution("completed")
    worked(database, execution, 1)
    database.run("DELETE FROM resumer.pauses")
    database.run("UPDATE resumer.settled_requests SET kind = %s", kind)
    ended(database, execution, "2 hours")
    await erase(database, "1h")
    assert left(database, execution) == {"settled_requests": False}
    assert database.run("SELECT resumer.is_ours(%s, 'completed')", execution) == [(True,)]


async def test_a_definition_goes_that_nothing_has_used_for_days(database: Database):
    for name, ago in (("old", 3), ("new", 1), ("paused", 3), ("leased", 3)):
        database.run(
            "INSERT INTO resumer.definitions (sha256, body, used_at)"
            " VALUES (%s, '{}', now() - make_interval(days => %s))",
            name,
            ago,
        )
    database.run(
        "INSERT INTO resumer.pauses (execution_id, number, reason, definition, resumed_at)"
        " VALUES (gen_random_uuid(), 1, 'manual', 'paused', NULL),"
        " (gen_random_uuid(), 1, 'manual', 'old', now())"
    )
    database.run(
        "INSERT INTO resumer.leases (execution_id, definition) VALUES (gen_random_uuid(), 'leased')"
    )
    everything = "SELECT sha256 FROM resumer.definitions ORDER BY 1"
    for retention, kept in (
        (None, ["leased", "new", "old", "paused"]),
        ("1h", ["leased", "new", "paused"]),
    ):
        async with by_hand(database, ledger_retention=retention) as hand:
            await hand.lap("old_definitions", limit=1)
        assert [name for (name,) in database.run(everything)] == kept


@pytest.mark.parametrize("forgets", [True, False])
def test_a_daemon_says_again_that_a_definition_is_used(
    database: Database, monkeypatch: pytest.MonkeyPatch, forgets: bool
):
    """Before it may be deleted; and not with each pause."""
    if forgets:
        monkeypatch.setattr(definition_cache, "STORE_INTERVAL", 0.0)
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        service.paused()
        database.run("UPDATE resumer.definitions SET used_at = now() - interval '2 days'")
        service.paused()
    said = "SELECT used_at > now() - interval '1 day' FROM resumer.definitions"
    assert database.run(said) == [(forgets,)]


async def test_each_task_has_the_rights_that_it_needs(database: Database, rows: Rows):
    give_rights(database.url)
    rows.workflow("flow")
    execution = rows.execution("completed")
    for number, each in enumerate((execution, GONE), 1):
        worked(database, each, number)
    database.run("SELECT resumer.hold('flow')")
    database.run("UPDATE resumer.holds SET until = now()")
    database.run("INSERT INTO resumer.leases (execution_id) VALUES (gen_random_uuid())")
    with member_of(database, "resumer_daemon") as login:
        async with by_hand(login, ledger_retention="1h") as hand:
            for name in hand.tasks:
                await hand.run(name)
    assert database.run("SELECT ended_at IS NOT NULL FROM resumer.holds") == [(True,)]
