from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from resumer_daemon.workflow.context import build, effective, key_of

NOW = datetime(2026, 1, 31, 9, 30, 15, 999, tzinfo=UTC)  # a Saturday


def test_the_payload_stands_at_the_top_level_and_stays_as_it_was():
    payload = {"order": {"id": "o-1"}, "note": None}
    context = build(payload, {"order.customer": {"name": "Ada"}}, NOW)
    assert context["order"] == {"id": "o-1", "customer": {"name": "Ada"}}
    assert context["note"] is None
    assert payload == {"order": {"id": "o-1"}, "note": None}


@pytest.mark.parametrize("payload", [None, [], "text", 5, True])
def test_a_payload_that_is_no_object_brings_nothing(payload):
    assert build(payload, {}, NOW).keys() == {"_meta", "_computed"}


def test_what_is_loaded_stands_at_its_path_later_over_earlier():
    loaded = {"customer": {"id": 1}, "customer.history": [1], "a.b.c": 5, "order": {"total": 7}}
    context = build({"customer": "c-1", "order": {"total": 1}, "a": {"x": 1}}, loaded, NOW)
    assert context["customer"] == {"id": 1, "history": [1]}
    assert context["a"] == {"x": 1, "b": {"c": 5}}
    assert context["order"] == {"total": 7}


def test_a_value_in_the_way_of_a_path_makes_way():
    assert build({"a": 5}, {"a.b": 1}, NOW)["a"] == {"b": 1}


def test_meta_and_computed_are_ours_whatever_the_payload_has_there():
    context = build({"_meta": {"version": "9", "x": 1}, "_computed": "mine"}, {}, NOW)
    assert context["_meta"] == {"version": "1.0", "enriched_at": "2026-01-31T09:30:15Z"}
    assert context["_computed"] == {
        "current_time": "2026-01-31T09:30:15Z",
        "current_hour": 9,
        "current_day_of_week": "Saturday",
        "current_date": "2026-01-31",
    }


def test_the_computed_time_is_in_utc():
    east = datetime(2026, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=5)))
    computed = build({}, {}, east)["_computed"]
    assert computed["current_date"] == "2026-01-31"
    assert computed["current_hour"] == 20
    assert computed["current_day_of_week"] == "Saturday"


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (10_000, "high"), (Decimal("10000.00"), "high"), (Decimal("9999.99"), "medium"),
        (1_000, "medium"), (Decimal("999.99"), "low"), (0, "low"), (-5, "low"), (10**30, "high"),
    ],
)  # fmt: skip
def test_an_order_has_one_size(total, size):
    computed = build({"order": {"total": total}}, {}, NOW)["_computed"]
    sizes = {name: computed[f"order_is_{name}_value"] for name in ("high", "medium", "low")}
    assert sizes == {name: name == size for name in sizes}


@pytest.mark.parametrize("total", ["10000", None, True, [1], {"amount": 1}])
def test_an_order_without_a_numeric_total_has_none(total):
    assert "order_is_high_value" not in build({"order": {"total": total}}, {}, NOW)["_computed"]


@pytest.mark.parametrize(
    ("created_at", "days", "is_new"),
    [
        ("2026-01-31T09:30:15Z", 0, True),
        ("2026-01-30T09:30:16Z", 0, True),
        ("2026-01-02T00:00:00Z", 29, True),
        ("2026-01-01T09:30:15Z", 30, False),
        ("2026-01-01T14:30:15+05:00", 30, False),
        ("2025-01-31", 365, False),
        ("2025-01-31T00:00:00", 365, False),
        ("2025-01-31T00:00:00.123456789Z", 365, False),
        ("2026-03-01T00:00:00Z", -28, True),
        ("0001-01-01T00:00:00Z", 739646, False),
        ("9999-12-31T23:59:59-12:00", -2912413, True),
    ],
)
def test_a_customer_has_an_age(created_at, days, is_new):
    computed = build({"customer": {"created_at": created_at}}, {}, NOW)["_computed"]
    assert computed["customer_account_age_days"] == days
    assert computed["customer_is_new"] is is_new


@pytest.mark.parametrize(
    "created_at", ["", "yesterday", "2026-13-01", None, 5, True, [], "x" * 10_000]
)
def test_a_customer_without_a_readable_date_has_none(created_at):
    computed = build({"customer": {"created_at": created_at}}, {}, NOW)["_computed"]
    assert "customer_is_new" not in computed


def test_loaded_values_count_for_what_is_computed():
    context = build({}, {"customer": {"created_at": "2026-01-30T00:00:00Z"}}, NOW)
    assert context["_computed"]["customer_is_new"] is True


def test_what_resumes_brought_stands_over_the_context_key_by_key_on_top():
    context = {"order": {"id": 1, "total": 5}, "note": "a"}
    assert effective(context, {"order": {"total": 6}, "resumed_at": "t"}) == {
        "order": {"total": 6}, "note": "a", "resumed_at": "t",
    }  # fmt: skip
    assert context["order"] == {"id": 1, "total": 5}


@pytest.mark.parametrize(
    ("resume_data", "approved"),
    [
        ({"approval": {"approved": True}}, True),
        ({"approval": {"approved": False}}, False),
        ({"approval": {"approved": False}, "approved": True}, False),
        ({"approval": {"approved": "yes"}}, "context"),
        ({"approval": None, "approved": False}, False),
        ({"approved": True}, True),
        ({"resume_event": {"approved": True}}, "context"),
        ({}, "context"),
    ],
)
def test_approved_is_told_by_the_deciding_approval(resume_data, approved):
    assert effective({"approved": "context"}, resume_data)["approved"] == approved


@pytest.mark.parametrize("odd", [None, [], "x", 5])
def test_columns_that_hold_no_object_count_as_empty(odd):
    assert effective(odd, odd) == {}
    assert effective({"a": 1}, odd) == {"a": 1}
    assert effective(odd, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({"customer": {"id": 77}}, "77"),
        ({"customer": {"id": "c/1"}, "customer_id": "c2"}, "c/1"),
        ({"customer": {"id": ""}, "customer_id": "c2"}, "c2"),
        ({"customer_id": Decimal("1.50")}, "1.5"),
        ({"customer_id": " "}, None),
        ({"customer_id": ".."}, None),
        ({"customer_id": True}, None),
        ({"customer_id": {"id": 1}}, None),
        ({"customer_id": ["a"]}, None),
        ({"customer": "c1"}, None),
        ([], None),
    ],
)
def test_an_entity_is_asked_for_by_an_id_and_by_nothing_less(payload, key):
    assert key_of("customer.tier", payload) == key
