"""Databases that are copied by logical replication: before an installation, and after a switch."""

from functools import partial
from typing import LiteralString

import psycopg
import pytest

from resumer_daemon.config import load_settings
from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.errors import PlanRefused
from resumer_daemon.store import migrate
from resumer_daemon.store.doctor.finding import CheckResult
from resumer_daemon.store.doctor.report import run_checks
from tests.harness import Database, eventually
from tests.harness.database import Databases
from tests.harness.service import Rows

REQUESTS = "SELECT id, kind::text, decision FROM resumer.requests ORDER BY 1"
HISTORY = "SELECT name, sha256 FROM resumer.migrations ORDER BY 1"


async def sequences(database: Database) -> list[CheckResult]:
    found = await run_checks(load_settings(database_url=database.url, allow_superuser=True))
    return [each for each in found if each.check == "sequences"]


def same(one: Database, other: Database, rows_of: LiteralString) -> bool:
    return one.run(rows_of) == other.run(rows_of)


def subscribe(copy: Database, original: Database) -> None:
    """On one server the subscriber cannot make its slot itself: it would wait for itself."""
    original.run("SELECT pg_create_logical_replication_slot('copy', 'pgoutput')")
    with copy.connect() as connection:
        connection.execute(
            psycopg.sql.SQL(
                "CREATE SUBSCRIPTION copy CONNECTION {} PUBLICATION everything"
                " WITH (create_slot = false, slot_name = 'copy')"
            ).format(original.url)
        )


async def test_a_subscriber_follows_and_may_take_over(own_server: EmbeddedPostgres):
    """As docs/dba.md says it, under Replication and Blue/green."""
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET wal_level = logical")
    own_server.restart()
    databases = Databases(own_server.url(), "own")
    original, copy = (databases.make("v1", migrated=False) for _ in range(2))
    rows = Rows.of(original)
    rows.approval(rows.execution(), request_id="before")
    original.run("CREATE PUBLICATION everything FOR ALL TABLES")
    subscribe(copy, original)

    with pytest.raises(PlanRefused, match="publication everything"):
        await migrate.up(original.url)
    plan = await migrate.plan(original.url)
    assert "copy" in [r.name for r in plan.remarks if r.kind == "logical slot"]
    await migrate.up(copy.url)
    assert [r.name for r in (await migrate.plan(copy.url)).remarks if r.kind == "subscription"]
    copy.run("TRUNCATE resumer.control, resumer.migrations")
    await migrate.up(original.url, allow_published=True)
    copy.run("ALTER SUBSCRIPTION copy REFRESH PUBLICATION")
    original.run("UPDATE approval_requests SET status = 'approved' WHERE request_id = 'before'")
    left = original.run(REQUESTS)
    assert left
    for rows_of in (REQUESTS, "SELECT installed_at FROM resumer.control", HISTORY):
        await eventually(
            partial(same, original, copy, rows_of), of=f"the copy has the rows of {rows_of}"
        )
    assert await migrate.up(copy.url) == []
    assert [found.verdict for found in await sequences(original)] == ["ok"]

    settled = "WITH s AS (DELETE FROM resumer.resume_requests RETURNING *)"
    settled += " INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision,"
    settled += " due_at, requested_at, outcome) SELECT id, execution_id, kind, source_id, decision,"
    original.run(f"{settled} due_at, requested_at, 'superseded' FROM s")
    await eventually(partial(same, original, copy, "SELECT id FROM resumer.settled_requests"))

    copy.run("ALTER SUBSCRIPTION copy DISABLE")
    copy.run("ALTER SUBSCRIPTION copy SET (slot_name = NONE)")
    copy.run("DROP SUBSCRIPTION copy")
    behind = await sequences(copy)
    assert [found.verdict for found in behind] == ["error"]
    assert "resumer.resume_requests_id_seq is at" in behind[0].what
    for found in behind:
        copy.run(found.remedy)
    assert [found.verdict for found in await sequences(copy)] == ["ok"]
    rows = Rows.of(copy)
    decided = rows.approval(rows.execution())
    copy.run("UPDATE approval_requests SET status = 'approved' WHERE id = %s", decided)
    assert len(copy.run(REQUESTS)) == len(left) + 2  # the approval, and the decision


async def test_every_table_of_ours_has_a_key_by_which_updates_are_replicated(database: Database):
    """Without one a publication of all tables lets each UPDATE fail."""
    without = database.run(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'resumer'::regnamespace"
        " AND c.relkind IN ('r', 'p')"
        " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
    )
    assert without == []
