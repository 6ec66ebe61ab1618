"""The statements of the daemon, with what a full batch gives them where a crowd is."""

from uuid import UUID

from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.inbox import DISCARDED_AT_ONCE, EVENTS_AT_ONCE, SEARCHED_AT_ONCE
from tests.harness.crowd import DECISIONS, EVENTS, Crowd, finished, paused
from tests.harness.plans import Parameters

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
        "claim_executions": {"limit": BATCH, "newest": BATCH, "back": ALL, "without": "{}"},
        "claim_again": batch,
        "read_executions": locked,
        "read_requests": locked,
        "read_approvals": locked,
        "set_apart": {
            "incident": '{"cause": "batch_timeout"}',
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
            **pauses,
            "resumed_by": array(["approval"] * many),
            "asked": array(["{}"] * many),
        },
        "settle_requests": {
            "ids": decisions,
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
            **pauses,
            "incidents": array(["{}"] * many),
        },
        "lift_incidents": pauses,
        "let_pauses_go": pauses,
        "hold_pauses": {
            **pauses,
            "holds": array(["{}"] * many),
        },
        "undo_writes": {"ids": decisions},
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
            "captured": array(range(EVENTS + 1, EVENTS + 1 + EVENTS_AT_ONCE)),
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
        "close_waits": pauses,
        "recall_events": {"ids": array(waiting)},
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
        "cancel_apart": {"claimed": array(ids[:1]), "cancel": 0, "organization": None},
        "read_cancel": {"claimed": array(ids[:1])},
        "give_up_requests": {"id": ids[0], "why": "w"},
        "look_again": {"execution_ids": array(ids)},
        "find_answers": {**batch, "id": ids[0], "due": None, "asked": "{}"},
        "withdraw_approvals": {**batch, "execution_ids": array(ids)},
        "add_requests": {
            "execution_ids": array(ids),
            "kinds": array(["timeout"] * many),
            "due": nothing,
            **dict.fromkeys(("sources", "decisions", "pauses"), nothing),
        },
        "take_leases": {
            "execution_ids": array(ended),
            "instance": UUID(int=1),
            "seconds": array([60.0] * many),
            "states": array(["{}"] * many),
            "definitions": array(["d"] * many),
        },
        "outlast_effects": {"execution_ids": array(ended), "seconds": array([60.0] * many)},
        "record_intents": {
            "keys": array([f"{key} again" for key in keys]),
            "execution_ids": array(ended),
            "paths": array(["send"] * many),
            "kinds": array(["webhook"] * many),
            "requests": array(["{}"] * many),
            "deliveries": array(["at_least_once"] * many),
            "attempts": array([1] * many),
            "delays": array([0.0] * many),
        },
        "find_newer_leases": {"version": 1},
        "follow_clock": {},
        "read_facts": {},
        "list_incidents": {"limit": 50},
        "read_status": {**PAGE, "execution": ids[0]},
        "read_options": {**PAGE, "execution": ids[0]},
        "show_execution": {"key": "paused 000001", "timezone": "UTC"},
    }
