"""The daemon's statements look by index from the first row on, however their plan came about."""

import asyncio
from collections.abc import Iterator
from typing import Literal, get_args

import pytest

from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import TEXTS
from tests.harness import Database
from tests.harness import plans as harness
from tests.harness.crowd import BATCH, CROWDED, Crowd, fill, loop, never_vacuumed
from tests.harness.database import Databases
from tests.harness.plans import Look, Parameters

CROWD = Crowd(finished=20_000, paused=20_000, events=20_000)
SMALL = Crowd(finished=20, paused=20, events=20)
LOOP = loop(BATCH, CROWD)

# rows and entries that a statement may look at in one table: a few for each of a batch
FEW = BATCH * 20
BOUNDS = {
    # counted up to 10,001, at a scrape
    "gauges.read_requests": 11_000,
    # the same, but for leases: all of them by a bitmap, where nobody has analysed the table
    "gauges.read_server": 25_000,
    # counts all that is paused: its answer is kept for fifty times as long as it takes
    "gauges.read_pauses": 50_000,
    # goes through up to 100,000 timers, once a connection
    "inbox.follow_clock": 100_000,
}

State = Literal["prepared when empty", "prepared when small", "never analysed", "analysed"]
STATES: tuple[State, ...] = get_args(State)

# of a statement in a state: where it looked, or why that cannot be told
Looks = dict[tuple[str, State], list[Look] | AssertionError]

# what no turn, no look and no background task runs: once for a process or a command; or a statement
# that reads one row of a small table, or none
ELSEWHERE = {
    "a process begins or ends": """
        connection.apply_settings connection.backend_pid connection.listen connection.ping
        gauges.limit_scrape instances.delete instances.disable_timeouts instances.heartbeat
        instances.register service_schema.read_columns service_schema.read_role
        session.apply_settings session.read_service_path tokens.find_credential
        tokens.read_time
    """,
    "settings in a transaction": """
        inbox.restore_notify inbox.suppress_notify maintenance.guard_notify_queue
        migrate.read_bound_triggers session.check_constraints session.release_savepoint
        session.rollback_to_savepoint session.savepoint session.use_own_path
        session.use_service_path
    """,
    "some rows of definitions, rules, workflows, tokens or keys": """
        commands.prune_idempotency_keys commands.store_idempotency_key
        commands.take_idempotency_key commands.upsert_workflow
        definition_cache.read_definitions definition_cache.read_workflows
        inputs.read_context_cache inputs.read_rules
        record.insert_definitions tokens.create_token tokens.list_tokens tokens.revoke_token
    """,
    "inserts alone": """
        commands.request_adoption outbox.write_record record.insert_approvals
        record.insert_audit record.insert_outbox record.insert_steps record.open_pauses
    """,
    "calls a function": """
        commands.approve commands.cancel commands.cancel_in_scope commands.decide_by_update
        commands.emit commands.hold commands.hold_in_scope commands.pause
        commands.pause_in_scope commands.reject commands.release commands.release_in_scope
        commands.resume commands.resume_in_scope commands.retry commands.retry_in_scope
        commands.start commands.start_like maintenance.release_expired_holds
        outbox.retry_messages queries.explain queries.explain_in_scope
    """,
    "a command of a person": """
        claim.select_without_lock commands.execution_key commands.find_blocked
        commands.resume_latency migrate.set_adopt_blocked outbox.list_messages
        queries.find_in_scope queries.key_in_scope queries.list_executions queries.list_ledger
        queries.paused_by_step queries.select_executions queries.stats
        service_schema.read_triggers
    """,
    "migrations and doctor": """
        doctor.bloat doctor.clock_skew doctor.control doctor.foreign_triggers
        doctor.function_owners doctor.imposed_settings doctor.limits doctor.schema_creators
        doctor.server doctor.stale_sequences doctor.two_phase doctor.work
        doctor.writer_settings grants.existing_roles grants.has_daemon_login
        grants.missing_grants grants.missing_roles grants.set_search_path migrate.become_migrator
        migrate.become_owner migrate.create_database migrate.delete_migration
        migrate.disable_guard migrate.enable_guard migrate.find_lock_holders
        migrate.find_owner migrate.guard_enabled migrate.has_database migrate.has_history
        migrate.insert_migration migrate.lock migrate.prepare migrate.read_functions
        migrate.read_history migrate.read_views service_schema.has_schema
        migrate.read_migrator migrate.read_policies migrate.read_surroundings
        migrate.read_use migrate.restore_trigger_states migrate.save_trigger_states
        migrate.server_time migrate.transfer_objects service_schema.read_tables
        service_schema.switch_triggers
    """,
}


@pytest.fixture(scope="module")
def looks(databases: Databases) -> Iterator[Looks]:
    with databases.fresh("v5", migrated=True) as one, databases.fresh("v5", migrated=True) as two:
        yield asyncio.run(_from_empty(one)) | asyncio.run(_from_small(two))


async def _from_empty(database: Database) -> Looks:
    """Look in three states; the order matters, for a state cannot be had back."""
    never_vacuumed(database)
    session = await Store(database.url).session()
    async with session.connection:
        _plan(session, SMALL)
        fill(database, CROWD)
        found = _looks(session, "prepared when empty")
    found |= await _prepared_now(database, "never analysed")
    database.run("ANALYZE")
    return found | await _prepared_now(database, "analysed")


async def _from_small(database: Database) -> Looks:
    """Look with plans that were made while each table was one page, and analysed."""
    never_vacuumed(database)
    fill(database, SMALL)
    database.run("ANALYZE")
    session = await Store(database.url).session()
    async with session.connection:
        _plan(session, SMALL)
        fill(database, CROWD, behind=20)
        return _looks(session, "prepared when small")


async def _prepared_now(database: Database, state: State) -> Looks:
    session = await Store(database.url).session()
    async with session.connection:
        for name in LOOP:
            harness.prepare(session, name)
        return _looks(session, state)


def _plan(session: Session, crowd: Crowd) -> None:
    """Run each statement once, and undo it: from then on it has its plan."""
    for name, parameters in loop(BATCH, crowd).items():
        harness.prepare(session, name)
        _looked(session, name, parameters)


def _looks(session: Session, state: State) -> Looks:
    return {(name, state): _looked(session, name, LOOP[name]) for name in LOOP}


def _looked(session: Session, name: str, parameters: Parameters) -> list[Look] | AssertionError:
    try:
        return harness.looks(session, name, parameters)
    except AssertionError as error:
        return error


@pytest.mark.parametrize("name", LOOP)
def test_it_looks_by_index_at_what_it_needs(looks: Looks, name: str):
    wrong: dict[State, object] = {}
    for state in STATES:
        answer = looks[name, state]
        if isinstance(answer, AssertionError):
            wrong[state] = answer
            continue
        crowded = [look for look in answer if look.table in CROWDED]
        bound = BOUNDS.get(name, FEW)
        if too_many := [k for k in crowded if k.node == "Seq Scan" or k.rows > bound]:
            wrong[state] = too_many
    assert wrong == {}


def test_each_statement_has_a_plan_that_is_looked_at():
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    assert TEXTS.keys() - LOOP.keys() == elsewhere
