"""The lists of a small organisation beside a large one: read by index, whatever the other has."""

import asyncio
import json
from collections.abc import Iterator
from uuid import UUID

import pytest

from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Database as Store
from tests.harness import Database
from tests.harness import plans as harness
from tests.harness.database import Databases
from tests.harness.plans import Look, Parameters
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

SMALL, LARGE = UUID(int=1), UUID(int=2)
LIMIT = 50
FEW = 4 * LIMIT  # rows that may be looked at in one table

# 1,000,000 settled requests of one organisation, newer and older than the 60 of the other
CROWD = """
ALTER TABLE resumer.settled_requests SET UNLOGGED;
INSERT INTO organizations (id, name, slug) VALUES ('{small}', 'small', 'small'), ('{large}', 'large', 'large');
ALTER TABLE workflow_executions DISABLE TRIGGER USER;
INSERT INTO workflow_executions (id, execution_id, organization_id, status, trigger_event, trigger_payload)
SELECT gen_random_uuid(), 'large ' || n, '{large}', 'paused', 'e', '{{}}' FROM generate_series(1, 20000) AS n;
INSERT INTO workflow_executions (id, execution_id, organization_id, status, trigger_event, trigger_payload)
SELECT gen_random_uuid(), 'small ' || n, '{small}', 'paused', 'e', '{{}}' FROM generate_series(1, 60) AS n;
ALTER TABLE workflow_executions ENABLE TRIGGER USER;
INSERT INTO resumer.pauses (execution_id, number, reason, organization_id, paused_at)
SELECT id, 1, CASE WHEN random() < 0.5 THEN 'approval_required' ELSE 'incident' END, organization_id,
  now() - random() * interval '1 day' FROM workflow_executions;
CREATE TEMPORARY TABLE ids AS SELECT row_number() OVER () - 1 AS n, id, organization_id FROM workflow_executions
  WHERE organization_id = '{large}';
INSERT INTO resumer.settled_requests (id, due_at, requested_at, execution_id, kind, outcome, organization_id, finished_at)
SELECT nextval('resumer.resume_requests_id_seq'), now(), now(), i.id, 'start', 'applied', i.organization_id, now() FROM generate_series(1, {half}) AS g JOIN ids i ON i.n = g %% 20000;
INSERT INTO resumer.settled_requests (id, due_at, requested_at, execution_id, kind, outcome, organization_id, finished_at)
SELECT nextval('resumer.resume_requests_id_seq'), now(), now(), id, 'start', 'applied', organization_id, now() FROM workflow_executions WHERE organization_id = '{small}';
INSERT INTO resumer.settled_requests (id, due_at, requested_at, execution_id, kind, outcome, organization_id, finished_at)
SELECT nextval('resumer.resume_requests_id_seq'), now(), now(), i.id, 'start', 'applied', i.organization_id, now() FROM generate_series(1, {half}) AS g JOIN ids i ON i.n = g %% 20000;
ANALYZE resumer.settled_requests; ANALYZE resumer.pauses; ANALYZE workflow_executions;
"""  # noqa: E501 - one statement a line

STATEMENTS: dict[str, Parameters] = {
    "queries.page_ledger": {"execution": None, "before": 2**63 - 1},
    "queries.page_paused": {
        "reasons": array(["approval_required", "incident"]),
        "at": "2026-01-01",
        "id": UUID(int=0),
    },
}
VIEWS = {
    "ledger": "request DESC",
    "inbox": "paused_at",
    "incidents": "paused_at",
}


@pytest.fixture(scope="module")
def crowded(databases: Databases) -> Iterator[Database]:
    with databases.fresh("v5", migrated=True) as database:
        filled = CROWD.replace("%%", "%").format(small=SMALL, large=LARGE, half=500_000)
        with database.connect() as connection:
            connection.execute(filled.encode())
        yield database


async def looked(database: Database, name: str, organization: UUID, plans: str) -> list[Look]:
    session = await Store(database.url).session()
    async with session.connection as connection:
        await connection.execute(f"SET plan_cache_mode = {plans}".encode())
        await connection.commit()
        harness.prepare(session, name)
        caller = {"everywhere": False, "organization": organization, "limit": LIMIT}
        return harness.looks(session, name, {**STATEMENTS[name], **caller})


def too_many(looks: list[Look]) -> list[Look]:
    assert looks
    return [look for look in looks if look.node == "Seq Scan" or look.rows > FEW]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_page_of_one_organisation_costs_the_same_beside_a_million_rows_of_another(  # C33
    crowded: Database, name: str
):
    for organization in (SMALL, LARGE):
        for plans in ("force_generic_plan", "force_custom_plan"):
            looks = asyncio.run(looked(crowded, name, organization, plans))
            assert too_many(looks) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_is_filtered_by_organisation_looks_by_index(
    crowded: Database, view: str
):  # C33
    query = (
        f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT * FROM resumer.{view}"
        f" WHERE organization_id = %s ORDER BY {VIEWS[view]} LIMIT {LIMIT}"
    )
    [(answer,)] = crowded.run(query, SMALL)
    plans = answer if isinstance(answer, list) else json.loads(answer)
    looks = [look for plan in plans for look in harness.looks_of(plan["Plan"])]
    assert too_many(looks) == []


LIMITED = (
    "SELECT * FROM resumer.inbox ORDER BY paused_at LIMIT 10",
    "SELECT * FROM resumer.inbox_page(page_size => 10)",
    "SELECT * FROM resumer.incidents ORDER BY paused_at LIMIT 10",
    "SELECT * FROM resumer.ledger ORDER BY request DESC LIMIT 10",
    "SELECT * FROM resumer.ledger_page(page_size => 10)",
    "SELECT count(*) FROM resumer.inbox",
    "SELECT reason, count(*) FROM resumer.inbox GROUP BY reason",
)


@pytest.mark.parametrize("query", LIMITED)
def test_a_view_calls_its_functions_for_what_is_shown_alone(crowded: Database, query: str):  # P16
    calls = "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions"
    with crowded.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL track_functions = 'all'")
        shown = connection.execute(query.encode()).fetchall()
        [(called,)] = connection.execute(
            f"{calls} WHERE funcname IN ('execution_summary', 'longest_branch_of')"
        )
    assert called == (0 if "count" in query else len(shown) * (3 if "inbox" in query else 2))


def test_pages_of_the_views_follow_each_other(crowded: Database):  # P16
    with crowded.connect() as connection:
        pages = [("-infinity", UUID(int=0))]
        for _ in range(3):
            page = connection.execute(
                "SELECT paused_at, execution_id FROM resumer.inbox_page(%s, %s, 5)", pages[-1]
            ).fetchall()
            pages += page
    at_once = "SELECT paused_at, execution_id FROM resumer.inbox ORDER BY 1, 2 LIMIT 15"
    assert pages[1:] == crowded.run(at_once)
    [(last,)] = crowded.run("SELECT min(request) FROM resumer.ledger_page(page_size => 7)")
    rest = crowded.run("SELECT request FROM resumer.ledger_page(%s, 3)", last)
    newest = crowded.run("SELECT request FROM resumer.ledger ORDER BY 1 DESC LIMIT 10")
    assert rest == newest[7:]


@pytest.mark.parametrize("vintage", ["v5"])
def test_what_the_daemon_writes_is_listed_for_its_organisation(database: Database):  # C33
    """Settled requests and pauses have it; those of an execution that is gone have none."""
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        execution, waiting = service.paused(), service.paused()
        service.decide(service.asked(execution)[0], "approved")
        service.ended(execution)
    organization = service.organization()
    assert database.run(
        "SELECT DISTINCT organization_id FROM resumer.ledger UNION SELECT organization_id"
        " FROM resumer.inbox"
    ) == [(organization,)]
    assert database.run("SELECT execution_id FROM resumer.inbox") == [(waiting,)]
    assert database.run("SELECT count(*) FROM resumer.ledger") == [(3,)]
