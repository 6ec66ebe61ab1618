"""A database as it is after years, and the statements of a daemon with a full batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from uuid import UUID

from psycopg import sql

from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import UNBOUNDED
from resumer_daemon.store.inbox import DISCARDED_AT_ONCE, EVENTS_AT_ONCE, SEARCHED_AT_ONCE
from tests.harness.database import Database
from tests.harness.plans import Parameters

SCRIPT = Path(__file__).with_name("crowd.sql")
DECISIONS, EVENTS = 900_000_000, 800_000_000
"""The ids of open decisions, and those of events, are larger than these."""

# where a look at every row would be one at all that was ever paused or finished
CROWDED = {
    "workflow_executions", "approval_requests", "step_executions", "events",
    "resume_requests", "settled_requests", "event_queue", "captured_events", "event_keys",
    "pauses", "leases", "effects", "outbox", "event_waits",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crowd:
    """The size of each table; the numbers begin at 1."""

    finished: int
    paused: int
    events: int


def paused(number: int) -> UUID:
    """Return the id of a paused execution."""
    return _id(f"paused {number:06}")


def finished(number: int) -> tuple[str, UUID]:
    """Return the key and the id of a finished execution."""
    key = f"completed {number:06}"
    return key, _id(key)


def _id(key: str) -> UUID:
    return UUID(md5(key.encode(), usedforsecurity=False).hexdigest())


def fill(database: Database, crowd: Crowd, *, behind: int = 0) -> None:
    """Fill the tables, but for the first `behind` of each, which are there."""
    script = SCRIPT.read_text("utf-8")
    for token, number in {
        "{first}": behind + 1,
        "{last}": crowd.finished,
        "{paused}": crowd.paused,
        "{events}": crowd.events,
    }.items():
        script = script.replace(token, str(number))
    with database.connect() as connection:
        connection.execute(script.encode())


def never_vacuumed(database: Database) -> None:
    """Let autovacuum leave the crowded tables alone, so that nobody analyses them in between."""
    for table in _tables(database):
        database.run(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())  # type: ignore[arg-type]


@contextmanager
def without_indexes(database: Database) -> Iterator[None]:
    """Take the indexes from the crowded tables while they are filled, but for their keys."""
    indexes = database.run(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)"
        " FROM pg_index i WHERE i.indrelid = ANY (%s::regclass[]) AND NOT EXISTS ("
        " SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        _tables(database),
    )
    with database.connect() as connection:
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
        yield
        connection.execute("SET maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            connection.execute(definition.encode())


def _tables(database: Database) -> list[str]:
    return [
        table
        for (table,) in database.run(
            "SELECT relid::regclass::text FROM pg_stat_user_tables WHERE relname = ANY (%s)",
            [*CROWDED],
        )
    ]


BATCH, SLICE = 200, 100

# of a caller that reaches all
PAGE: Parameters = {"everywhere": True, "organization": None, "limit": 50}


def loop(size: int, crowd: Crowd) -> dict[str, Parameters]:
    """Return the daemon's statements, with what a batch of this size gives them."""
    many = size
    ids = [paused(number) for number in range(1, size + 1)]
    batch = {"ids": array(ids), "timezone": "UTC"}
    locked = {"claimed": array(ids), "timezone": "UTC"}
    place = {"after": UUID(int=0), "limit": SLICE, "timezone": "UTC"}
    kept = {"seconds": 3600.0, "timezone": "UTC"}
    nothing = array([None] * many)
    keys, ended = map(list, zip(*map(finished, range(1, size + 1)), strict=True))
    decisions = array(range(DECISIONS + 1, DECISIONS + 1 + many))
    waiting = [paused(1000 * n) for n in range(1, min(100, crowd.paused // 1000) + 1)]
    pauses: Parameters = {"execution_ids": array(ids), "numbers": array([1] * many)}
    return {
        "claim.claim_due": {"limit": BATCH, "newest": BATCH, "back": UNBOUNDED, "without": "{}"},
        "claim.claim_given": batch,
        "claim.read_executions": locked,
        "claim.read_requests": locked,
        "claim.read_approvals": locked,
        "quarantine.stop_unread": {
            "incident": '{"cause": "turn_timeout"}',
            "running": False,
            "timezone": "UTC",
            "claimed": array(ids[:1]),
        },
        "inputs.read_last_steps": batch,
        "record.update_executions": {
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
        "record.close_pauses": {
            **pauses,
            "resumed_by": array(["approval"] * many),
            "approval_ids": array(["{}"] * many),
        },
        "record.settle_requests": {
            "ids": decisions,
            "outcomes": array(["superseded"] * many),
            "reasons": nothing,
            "organizations": nothing,
        },
        "record.settle_unrequested_decisions": {
            "execution_ids": array(ids),
            "sources": nothing,
            "decisions": array(["approved"] * many),
            "actors": nothing,
            "outcomes": array(["applied"] * many),
        },
        "record.expire_approvals": {**batch, "execution_ids": array(ids)},
        "record.apply_incidents": {
            **pauses,
            "incidents": array(["{}"] * many),
        },
        "record.lift_incidents": pauses,
        "record.lift_manual_pauses": pauses,
        "record.apply_manual_pauses": {
            **pauses,
            "manual_pauses": array(["{}"] * many),
        },
        "record.revert_foreign_writes": {"ids": decisions},
        "leases.update_outcomes": {
            "keys": array(keys),
            "statuses": array(["done"] * many),
            "responses": nothing,
            "errors": nothing,
        },
        "leases.fence_execution": {"id": ids[0]},
        "leases.fence_lease": {"id": ended[0], "epoch": 1},
        "leases.delete_leases": {"execution_ids": array(ended)},
        "leases.expire_leases": {"execution_ids": array(ended), "epochs": array([1] * many)},
        "leases.expire_unknown_leases": {"instance": UUID(int=1), "running": array(ended)},
        "leases.find_recorded_lease": {"id": ended[0], "epoch": 1, "instance": UUID(int=1)},
        "leases.requeue_lease": {"id": ended[0], "epoch": 1, "seconds": 5.0},
        "leases.claim_expired_leases": {"limit": BATCH, "version": 1},
        "leases.take_over_leases": {"ids": array(ended), "instance": UUID(int=1), "seconds": 60.0},
        "leases.find_ambiguous_effects": {"ids": array(ended)},
        "leases.read_effect_delays": {"ids": array(ended)},
        "maintenance.delete_vanished_leases": place,
        "outbox.claim_messages": {"limit": 8, "seconds": 60.0, "back": UNBOUNDED},
        "outbox.postpone_message": {
            "key": keys[0],
            "attempt": 0,
            "delivered_to": array([]),
            "error": None,
            "again_in": 0.0,
        },
        "outbox.settle_message": {
            "key": keys[0],
            "attempt": 0,
            "state": "delivered",
            "delivered_to": array([]),
            "error": None,
            "again_in": 0.0,
        },
        "inbox.read_queue_status": {
            "back": UNBOUNDED,
            "around": UNBOUNDED,
            "after": 0,
            "within": 5.0,
            "without": "{}",
        },
        "inbox.settle_orphans": {"back": UNBOUNDED},
        "inbox.search_events": {"timezone": "UTC", "limit": SEARCHED_AT_ONCE},
        "inbox.discard_events": {
            "timezone": "UTC",
            "search_path": "public",
            "after": 0,
            "limit": DISCARDED_AT_ONCE,
        },
        "inbox.insert_event_keys": {"limit": EVENTS_AT_ONCE, "after": 0},
        "inbox.fan_out_events": {
            "route": True,
            "timezone": "UTC",
            "search_path": "public",
            "captured": array(range(EVENTS + 1, EVENTS + 1 + EVENTS_AT_ONCE)),
            "width": 2**32,
        },
        "record.insert_event_waits": {
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
        "record.delete_event_waits": pauses,
        "record.requeue_past_events": {"ids": array(waiting)},
        "maintenance.mark_dead_instances": {"sure": True, "limit": SLICE},
        "maintenance.reconcile_parked_requests": {"after": 0, "limit": SLICE},
        "maintenance.reconcile_events": {"timezone": "UTC", "moment": None, "limit": SLICE},
        "maintenance.reconcile_vanished": place,
        "maintenance.reconcile_ended_pauses": place,
        "maintenance.reconcile_expiries": place,
        "maintenance.reconcile_decisions": place,
        "maintenance.reconcile_executions": place,
        "maintenance.erase_requests": {**kept, "after": 0, "limit": SLICE},
        "maintenance.erase_events": {**kept, "after": 0, "limit": SLICE},
        "maintenance.erase_effects": {**kept, "after": "", "limit": SLICE},
        "maintenance.erase_messages": {**kept, "after": "", "limit": SLICE},
        "maintenance.erase_definitions": {**kept, "after": "", "limit": SLICE},
        "maintenance.erase_pauses": {**kept, **place, "number": 0},
        "queries.page_paused": {
            "reasons": array(["approval_required", "waiting_for_event"]),
            **PAGE,
            "at": "2026-01-01",
            "id": UUID(int=0),
        },
        "queries.page_ledger": {**PAGE, "execution": None, "before": 2**63 - 1},
        "gauges.read_requests": {},
        "gauges.read_pauses": {},
        "quarantine.cancel_unread": {"claimed": array(ids[:1]), "cancel": 0, "organization": None},
        "claim.read_cancel_request": {"claimed": array(ids[:1])},
        "inbox.fail_requests": {"id": ids[0], "why": "w"},
        "leases.requeue_parked_requests": {"execution_ids": array(ids)},
        "leases.find_branch_inputs": {**batch, "id": ids[0], "due": None, "approval_ids": "{}"},
        "record.withdraw_approvals": {**batch, "execution_ids": array(ids)},
        "record.insert_requests": {
            "execution_ids": array(ids),
            "kinds": array(["timeout"] * many),
            "due": nothing,
            **dict.fromkeys(("sources", "decisions", "pauses"), nothing),
        },
        "leases.take_leases": {
            "execution_ids": array(ended),
            "instance": UUID(int=1),
            "seconds": array([60.0] * many),
            "states": array(["{}"] * many),
            "definitions": array(["d"] * many),
        },
        "leases.extend_leases": {"execution_ids": array(ended), "seconds": array([60.0] * many)},
        "leases.insert_intents": {
            "keys": array([f"{key} again" for key in keys]),
            "execution_ids": array(ended),
            "paths": array(["send"] * many),
            "kinds": array(["webhook"] * many),
            "requests": array(["{}"] * many),
            "deliveries": array(["at_least_once"] * many),
            "attempts": array([1] * many),
            "delays": array([0.0] * many),
        },
        "leases.find_newer_leases": {"version": 1},
        "inbox.follow_clock": {},
        "gauges.read_server": {},
        "queries.list_incidents": {"limit": 50},
        "queries.status_in_scope": {**PAGE, "execution": ids[0]},
        "queries.resume_options_in_scope": {**PAGE, "execution": ids[0]},
        "queries.show_execution": {"key": "paused 000001", "timezone": "UTC"},
    }
