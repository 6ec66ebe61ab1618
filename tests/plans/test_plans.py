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
from tests.harness.crowd import CROWDED, Crowd, fill, never_vacuumed
from tests.harness.database import Databases
from tests.harness.loop import BATCH, loop
from tests.harness.plans import Look, Parameters

CROWD = Crowd(finished=20_000, paused=20_000, events=20_000)
SMALL = Crowd(finished=20, paused=20, events=20)
LOOP = loop(BATCH, CROWD)

# rows and entries that a statement may look at in one table: a few for each of a batch
FEW = BATCH * 20
BOUNDS = {
    # counted up to 10,001, at a scrape
    "read_gauges": 11_000,
    # the same, but for leases: all of them by a bitmap, where nobody has analysed the table
    "read_facts": 25_000,
    # counts all that is paused: its answer is kept for fifty times as long as it takes
    "read_pause_gauges": 50_000,
    # goes through up to 100,000 timers, once a connection
    "follow_clock": 100_000,
}

State = Literal["prepared when empty", "prepared when small", "never analysed", "analysed"]
STATES: tuple[State, ...] = get_args(State)

# of a statement in a state: where it looked, or why that cannot be told
Looks = dict[tuple[str, State], list[Look] | AssertionError]

# what no turn, no look and no background task runs: once for a process or a command; or a statement
# that reads one row of a small table, or none
ELSEWHERE = {
    "a process begins or ends": "register_instance retire_instance beat bound_beat bound_scrape"
    " find_holder read_columns read_path read_role settings session_settings server_time"
    " backend_pid listen ping",
    "settings in a transaction": "savepoint back_to_savepoint keep_part check_now enter_service"
    " leave_service stay_awake lie_down spare_queue bound_triggers",
    "some rows of definitions, rules, workflows, tokens or keys": "read_definitions"
    " keep_definitions read_workflows load_workflow read_rules read_context_cache create_token"
    " list_tokens revoke_token take_idempotency_key keep_idempotency_key trim_idempotency_keys",
    "inserts alone": "open_pauses record_steps record_approvals record_outbox record_audit"
    " write_record ask_adoption",
    "calls a function": "approve reject start emit ask_cancel ask_hold ask_pause ask_release"
    " ask_resume ask_retry request_cancel request_hold request_pause request_release request_resume"
    " request_retry plain_decision retry_messages release_holds explain_execution read_explanation",
    "a command of a person": "list_executions list_ledger list_messages choose_executions"
    " choose_adoption find_blocked paused_of_workflow read_stats look_at resumed_after"
    " read_triggers",
    "migrations and doctor": "become_migrator become_owner create_database doctor_bloat"
    " doctor_bounds doctor_clocks doctor_control doctor_creators doctor_foreign_triggers"
    " doctor_functions doctor_imposed doctor_sequences doctor_server doctor_two_phase doctor_work"
    " doctor_writers enforce_guard enter_migration given_roles grant_path hand_over_objects"
    " has_database has_ledger is_guarded lock_holders lock_migrations missing_grants missing_roles"
    " our_policies owner_to_use plan_role plan_surroundings plan_tables prepare_migration"
    " read_ledger relax_guard remember_trigger_states restore_trigger_states strike_migration"
    " switch_triggers",
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
