"""What the service's tables must be like, also when the service alters them while we run."""

import asyncio
from typing import Any

import pytest
from psycopg.errors import UndefinedColumn

from resumer_daemon.errors import ContractError, Mismatch
from resumer_daemon.store import session as store
from resumer_daemon.store.session import Pool, Session
from tests.harness import Database
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

ALTERED = [
    "ALTER TABLE workflow_executions DROP COLUMN timeout_at, DROP COLUMN wait_state",
    "ALTER TABLE workflow_executions ADD COLUMN wait_state jsonb, ADD COLUMN timeout_at timestamp",
    "ALTER TABLE workflow_executions ALTER COLUMN next_step_id TYPE varchar(255),"
    " ALTER COLUMN paused_step_id TYPE varchar(255)",
    "ALTER TABLE approval_requests ADD COLUMN of_no_concern text DEFAULT 'x'",
]


SHORT_LEASE: dict[str, Any] = {
    "http_allow": "localhost",
    "lease": "2s",
    "effect_deadline": "1s",
    "drain_timeout": "1s",
}


def decided(service: Service) -> None:
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


async def test_every_column_that_is_not_as_needed_is_named_with_its_type(database: Database):
    database.run(
        "ALTER TABLE rules DROP COLUMN rule_type, ALTER COLUMN definition TYPE text;"
        " ALTER TABLE workflow_executions RENAME COLUMN resume_data TO resumed_with"
    )
    with pytest.raises(ContractError) as refused:
        await store.Database(database.url).session()
    assert set(refused.value.mismatches) == {
        Mismatch("public.rules", "rule_type", "text", None),
        Mismatch("public.rules", "definition", "jsonb", "text"),
        Mismatch("public.workflow_executions", "resume_data", "jsonb", None),
    }
    assert "public.rules.definition: expected jsonb, found text" in str(refused.value)


@pytest.mark.parametrize("vintage", ["v5"])
async def test_columns_that_come_and_go_while_it_runs_are_probed_again(database: Database):
    service = Service(database)
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        send = {"id": "send", "type": "execute", "execute": [act], "next": "ask"}
        service.workflow(send, ask(), allow())
        with running(database, **SHORT_LEASE):
            await asyncio.to_thread(decided, service)
            for statement in ALTERED:
                database.run(statement)
                await asyncio.to_thread(decided, service)


async def meets_what_is_gone(session: Session) -> None:
    assert "timeout_at" in session.features
    async with session.transaction():
        await session.connection.execute("SELECT timeout_at FROM public.workflow_executions")


@pytest.mark.parametrize("vintage", ["v5"])
async def test_a_session_of_the_pool_that_meets_what_is_gone_is_not_lent_again(
    database: Database,
):
    pool = Pool(store.Database(database.url), 1)
    await pool.open()
    try:
        async with pool.session():  # it is configured now
            database.run("ALTER TABLE workflow_executions DROP COLUMN timeout_at")
        with pytest.raises(UndefinedColumn):
            async with pool.session() as session:
                await meets_what_is_gone(session)
        async with pool.session() as session:
            assert "no_timeout_at" in session.features
    finally:
        await pool.close()
