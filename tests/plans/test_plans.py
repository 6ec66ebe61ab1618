"""The plans of the loop with 100,000 paused and 100,000 finished executions, however they came."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import md5
from pathlib import Path
from typing import Literal, get_args
from uuid import UUID

import pytest

from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.database import Database as Store
from resumer_daemon.store.outlook import DISCARDED_AT_ONCE, EVENTS_AT_ONCE, SEARCHED_AT_ONCE
from resumer_daemon.store.session import Session
from tests.harness import Database
from tests.harness import plans as harness
from tests.harness.database import Databases
from tests.harness.plans import Look, Parameters

CROWD = Path(harness.__file__).with_name("crowd.sql")

BATCH, SLICE = 200, 100

# of a caller that reaches all
PAGE: Parameters = {"everywhere": True, "organization": None, "limit": 50}

# where a look at every row would be one at all that was ever paused or finished
CROWDED = {
    "workflow_executions", "approval_requests", "step_executions", "events",
    "resume_requests", "settled_requests", "event_queue", "captured_events", "pauses", "leases",
    "effects", "outbox", "event_waits",
}  # fmt: skip

State = Literal[
    "prepared when empty",
    "prepared when empty, for any parameters",
    "never analysed",
    "analysed",
    "analysed, for any parameters",
]
STATES: tuple[State, ...] = get_args(State)
WHEN_EMPTY = [state for state in STATES if state.startswith("prepared when empty")]
OF_ANY = [state for state in STATES if state.endswith("for any parameters")]

# of a statement in a state: where it looked, or why that cannot be told
Looks = dict[tuple[str, State], list[Look] | AssertionError]


def paused(number: int) -> UUID:
    return UUID(md5(f"paused {number:06}".encode(), usedforsecurity=False).hexdigest())


def loop(ids: list[UUID]) -> dict[str, Parameters]:
    """Return the statements of the loop, with what a full batch gives them."""
    many = len(ids)
    batch = {"ids": array(ids), "timezone": "UTC"}
    locked = {"claimed": array(ids), "timezone": "UTC"}
    place = {"after": UUID(int=0), "limit": SLICE, "timezone": "UTC"}
    kept = {"seconds": 3600.0, "timezone": "UTC"}
    nothing = array([None] * many)
    keys = [f"completed {number:06}" for number in range(1, many + 1)]
    ended = [UUID(md5(key.encode(), usedforsecurity=False).hexdigest()) for key in keys]
    return {
        "claim_executions": {"limit": BATCH, "newest": BATCH, "back": ALL, "without": "{}"},
        "claim_again": batch,
        "read_executions": locked,
        "read_requests": locked,
        "read_approvals": locked,
        "set_apart": {
            "incident": '{"cause": "turn_timeout"}',
            "running": False,
            "timezone": "UTC",
            "claimed": array(ids[:1]),
        },
        "read_last_steps": batch,
        "record_executions": {
            **batch,
            "statuses": array(["completed"] * many),
            "resumed": array([1] * many),
            **dict.fromkeys(
                (
                    "results",
                    "errors",
                    "contexts",
                    "resume_datas",
                    "paused_reasons",
                    "paused_steps",
                    "next_steps",
                    "wait_states",
                    "timeouts",
                ),
                nothing,
            ),
        },
        "close_pauses": {
            "execution_ids": array(ids),
            "numbers": array([1] * many),
            "resumed_by": array(["approval"] * many),
            "asked": array(["{}"] * many),
        },
        "settle_requests": {
            "ids": array(range(200_001, 200_001 + many)),
            "outcomes": array(["superseded"] * many),
            "reasons": nothing,
            "organizations": nothing,
        },
        "apply_unasked": {
            "execution_ids": array(ids),
            "sources": nothing,
            "decisions": array(["approved"] * many),
            "actors": nothing,
            "outcomes": array(["applied"] * many),
        },
        "expire_approvals": {**batch, "execution_ids": array(ids)},
        "mark_incidents": {
            "execution_ids": array(ids),
            "numbers": array([1] * many),
            "incidents": array(["{}"] * many),
        },
        "lift_incidents": {"execution_ids": array(ids), "numbers": array([1] * many)},
        "let_pauses_go": {"execution_ids": array(ids), "numbers": array([1] * many)},
        "hold_pauses": {
            "execution_ids": array(ids),
            "numbers": array([1] * many),
            "holds": array(["{}"] * many),
        },
        "undo_writes": {"ids": array(range(200_001, 200_001 + many))},
        "record_outcomes": {
            "keys": array(keys),
            "statuses": array(["done"] * many),
            "responses": nothing,
            "errors": nothing,
        },
        "fence_execution": {"id": ids[0]},
        "fence_lease": {"id": ended[0], "epoch": 1},
        "release_leases": {"execution_ids": array(ended)},
        "hand_over_leases": {"execution_ids": array(ended), "epochs": array([1] * many)},
        "hand_over_strays": {"instance": UUID(int=1), "running": array(ended)},
        "find_recorded": {"id": ended[0], "epoch": 1, "instance": UUID(int=1)},
        "stand_in_line": {"id": ended[0], "epoch": 1, "seconds": 5.0},
        "claim_expired_leases": {"limit": BATCH, "version": 1},
        "rescue_leases": {"ids": array(ended), "instance": UUID(int=1), "seconds": 60.0},
        "read_intents": {"ids": array(ended)},
        "read_rests": {"ids": array(ended)},
        "forget_leases": place,
        "claim_messages": {"limit": 8, "seconds": 60.0, "back": ALL},
        "postpone_message": {
            "key": keys[0],
            "attempt": 0,
            "reached": array([]),
            "error": None,
            "again_in": 0.0,
        },
        "settle_message": {
            "key": keys[0],
            "attempt": 0,
            "state": "delivered",
            "reached": array([]),
            "error": None,
            "again_in": 0.0,
        },
        "outlook": {"back": ALL, "around": ALL, "after": 0, "within": 5.0, "without": "{}"},
        "settle_orphans": {"back": ALL},
        "search_events": {"timezone": "UTC", "limit": SEARCHED_AT_ONCE},
        "discard_events": {
            "timezone": "UTC",
            "search_path": "public",
            "after": 0,
            "limit": DISCARDED_AT_ONCE,
        },
        "key_events": {"limit": EVENTS_AT_ONCE, "after": 0},
        "fan_out_events": {
            "route": True,
            "timezone": "UTC",
            "search_path": "public",
            "captured": array(range(1_099_901, 1_100_001)),
            "width": 2**32,
        },
        "open_waits": {
            "execution_ids": array(ids),
            "numbers": array([2] * many),
            "paths": array([""] * many),
            "event_types": array(["paid"] * many),
            "matches": array(["{}"] * many),
            "entities": array(["{}"] * many),
            "anchors": array(["~order"] * many),
            "values": array(["7"] * many),
            "timezone": "UTC",
        },
        "close_waits": {"execution_ids": array(ids), "numbers": array([1] * many)},
        "recall_events": {"ids": array(paused(1000 * number) for number in range(1, 101))},
        "bury_daemons": {"sure": True, "limit": SLICE},
        "reconcile_held": {"after": 0, "limit": SLICE},
        "reconcile_events": {"timezone": "UTC", "moment": None, "limit": SLICE},
        "reconcile_vanished": place,
        "reconcile_records": place,
        "reconcile_expiries": place,
        "reconcile_decisions": place,
        "reconcile_executions": place,
        "erase_requests": {**kept, "after": 0, "limit": SLICE},
        "erase_events": {**kept, "after": 0, "limit": SLICE},
        "erase_effects": {**kept, "after": "", "limit": SLICE},
        "erase_outbox": {**kept, "after": "", "limit": SLICE},
        "erase_definitions": {**kept, "after": "", "limit": SLICE},
        "erase_pauses": {**kept, **place, "number": 0},
        "page_paused": {
            "reasons": array(["approval_required", "waiting_for_event"]),
            **PAGE,
            "at": "2026-01-01",
            "id": UUID(int=0),
        },
        "page_ledger": {**PAGE, "execution": None, "before": 2**63 - 1},
        "read_gauges": {},
        "read_pause_gauges": {},
    }


LOOP = loop([paused(number) for number in range(1, BATCH + 1)])

# rows and entries that a statement may look at in one table; else a few for each of a batch
FEW = BATCH * 10
BOUNDS = {
    "read_gauges": 20_000,
    # these look at all that is paused, by design: rarely, or cached
    "read_pause_gauges": 200_000,
}


@pytest.fixture(scope="module")
def looks(databases: Databases) -> Iterator[Looks]:
    with databases.fresh("v5", migrated=True) as database:
        yield asyncio.run(_looks(database))


async def _looks(database: Database) -> Looks:
    """Look in each state; the order matters, for a state cannot be had back."""
    for (table,) in database.run(
        "SELECT relid::regclass::text FROM pg_stat_user_tables WHERE relname = ANY (%s)", [*CROWDED]
    ):
        database.run(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    found: Looks = {}
    async with sessions(database) as of:
        for state in WHEN_EMPTY:
            for name, parameters in loop([paused(1)]).items():
                await harness.run(of[state], name, parameters, times=8)
        database.run("DELETE FROM resumer.resume_requests")
        database.run(CROWD.read_bytes().decode())
        for state in STATES:
            if state == "analysed":
                database.run("ANALYZE")
            for name, parameters in LOOP.items():
                if state not in WHEN_EMPTY:
                    harness.prepare(of[state], name)
                found[name, state] = _looked(of[state], name, parameters)
    return found


@asynccontextmanager
async def sessions(database: Database) -> AsyncIterator[dict[State, Session]]:
    """Open a session for each state."""
    opened: dict[State, Session] = {}
    async with AsyncExitStack() as stack:
        for state in STATES:
            opened[state] = session = await Store(database.url).session()
            await stack.enter_async_context(session.connection)
            if state in OF_ANY:
                await session.connection.execute("SET plan_cache_mode = force_generic_plan")
                await session.connection.commit()
        yield opened


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
        assert crowded, answer
        bound = BOUNDS.get(name, FEW)
        if too_many := [k for k in crowded if k.node == "Seq Scan" or k.rows > bound]:
            wrong[state] = too_many
    assert wrong == {}
