"""Every way through every example: what it starts on and is answered, where it goes and ends."""

from collections.abc import Iterator
from typing import Any

from resumer_daemon.engine.simulation import ScriptedEvent
from tests.acceptance.played import Case


def cases() -> Iterator[Case]:
    yield from high_value_order_approval()
    yield from quote_approval()
    yield from fraud_review()
    yield from inventory_sync()
    yield from quote_expiry()
    yield from data_pipeline()


def high_value_order_approval() -> Iterator[Case]:
    name = "high_value_order_approval"
    small = {"order": {"id": "A-1", "total": 900}, "customer": {"tier": "silver"}}
    large = {"order": {"id": "A-1", "total": 12500}, "customer": {"tier": "silver"}}
    known = {"order": {"id": "A-1", "total": 12500}, "customer": {"tier": "gold"}}
    released = "allowed: The order may be fulfilled"
    refused = "blocked: The sales manager did not release the order"
    asked = "is_high_value is_trusted_customer ask_sales_manager"
    yield Case(name, small, (), "is_high_value let_it_go", released)
    yield Case(name, known, (), "is_high_value is_trusted_customer let_it_go", released)
    yield Case(name, large, ("a",), f"{asked} let_it_go", released)
    yield Case(name, large, ("r",), f"{asked} turn_it_down", refused)
    yield Case(name, large, ("e",), f"{asked} turn_it_down", refused)


def quote(discount: int, total: int = 900, credit_hold: bool = False) -> dict[str, Any]:
    seller = "sue@example.com"
    return {
        "quote": {"id": 7, "discount_percent": discount, "total": total, "seller_email": seller},
        "customer": {"name": "ACME", "credit_hold": credit_hold},
    }


def quote_answered(accepted: bool, quote: int = 7) -> ScriptedEvent:
    return ScriptedEvent("quote.answered", {"quote": {"id": quote}, "accepted": accepted})


def quote_approval() -> Iterator[Case]:
    name, yes, no = "quote_approval", quote_answered(True), quote_answered(False)
    small = quote(discount=15)
    large = quote(discount=15, total=62000)
    held = quote(discount=0, credit_hold=True)
    won = "send_quote wait_for_customer is_accepted won"
    lost = "send_quote wait_for_customer is_accepted lost"
    accepted, declined = "allowed: The customer accepted", "blocked: The customer declined"
    refused = "blocked: The discount was not granted"
    first = "is_discounted ask_manager"
    second = f"{first} is_large ask_director"
    yield Case(name, quote(discount=5), (yes,), f"is_discounted {won}", accepted)
    yield Case(name, quote(discount=5), (no,), f"is_discounted {lost}", declined)
    yield Case(
        name, quote(discount=5), ("t",),
        "is_discounted send_quote wait_for_customer no_answer",
        "blocked: The customer did not answer",
    )  # fmt: skip
    yield Case(
        name, quote(discount=5), (), "is_discounted send_quote! not_sent",
        "blocked: The CRM could not send the quote", {"send_quote": 404},
    )  # fmt: skip
    yield Case(
        name, quote(discount=5), (),
        "is_discounted send_quote! send_quote! send_quote! send_quote! not_sent",
        "blocked: The CRM could not send the quote", {"send_quote": 503},
    )  # fmt: skip
    yield Case(name, held, ("a", yes), f"{first} is_large {won}", accepted)
    yield Case(name, small, ("a", no), f"{first} is_large {lost}", declined)
    yield Case(name, small, ("r",), f"{first} tell_seller refused", refused)
    yield Case(name, small, ("e", "a", yes), f"{first} ask_director {won}", accepted)
    yield Case(name, large, ("a", "a", yes), f"{second} {won}", accepted)
    yield Case(name, large, ("a", "r"), f"{second} tell_seller refused", refused)
    yield Case(name, large, ("a", "e"), f"{second} tell_seller refused", refused)


def order(total: int, country: str = "DE", customer_since: str = "2020-01-01") -> dict[str, Any]:
    return {
        "order": {
            "id": "A-1",
            "total": total,
            "shipping_country": country,
            "address_hash": "5eb6",
            "placed_at": "2026-01-31T09:29:58Z",
        },
        "customer": {"id": "C-1", "billing_country": "DE", "created_at": customer_since},
        "payment": {"card_fingerprint": "fp_1"},
    }


def fraud_review() -> Iterator[Case]:
    name, accepted = "fraud_review", "allowed: No sign of fraud"
    passed = "is_worth_a_check checks check_card check_address check_velocity"
    failed = "is_worth_a_check checks! check_card! check_address check_velocity ask_analyst"
    refused = {"checks/0": 402}
    yield Case(name, order(90), (), "is_worth_a_check accept", accepted)
    yield Case(name, order(500), (), f"{passed} accept", accepted)
    yield Case(name, order(90, country="FR"), (), f"{passed} accept", accepted)
    yield Case(name, order(90, customer_since="2026-01-20"), (), f"{passed} accept", accepted)
    yield Case(name, order(500), ("a",), f"{failed} accept", accepted, refused)
    yield Case(name, order(500), ("r",), f"{failed} cancel_order", "blocked: Fraud: ", refused)
    late = "blocked: Nobody reviewed the order in time"
    yield Case(name, order(500), ("e",), f"{failed} hold_order", late, refused)


def counted(*items: tuple[str, int, int]) -> dict[str, Any]:
    written = [
        {"sku": sku, "counted": found, "expected": 10, "difference_value": value}
        for sku, found, value in items
    ]
    return {"inventory": {"warehouse": "Berlin", "items": written}}


def inventory_sync() -> Iterator[Case]:
    name = "inventory_sync"
    asked = "is_unchanged is_valuable ask_warehouse"
    items = counted(("same", 10, 0), ("cheap", 9, 5), ("dear", 4, 9000))
    yield Case(name, counted(), (), "sync report", "executed")
    yield Case(
        name, items, ("a",),
        f"is_unchanged note is_unchanged is_valuable post {asked} sync post report", "executed",
    )  # fmt: skip
    dear = counted(("dear", 4, 9000))
    yield Case(name, dear, ("r",), f"{asked} sync count_again report", "executed")
    yield Case(name, dear, ("e",), f"{asked} sync count_again report", "executed")
    alarm = "blocked: The shop does not take the stock of Berlin"
    yield Case(name, dear, ("a",), f"{asked} sync! post! raise_alarm", alarm, {"sync/0/3@3": 404})


def quote_expiry() -> Iterator[Case]:
    name, yes, no = "quote_expiry", quote_answered(True), quote_answered(False)
    sent = {
        "quote": {"id": 7, "number": "Q-7", "seller_email": "sue@example.com"},
        "customer": {"email": "a@example.com"},
    }
    first, second = "first_week", "first_week remind second_week"
    last = f"{second} last_call last_day"
    accepted, declined = "allowed: Accepted in time", "blocked: The customer declined"
    yield Case(name, sent, (yes,), f"{first} is_accepted accepted", accepted)
    yield Case(name, sent, (no,), f"{first} is_accepted declined", declined)
    yield Case(name, sent, ("t", yes), f"{second} is_accepted accepted", accepted)
    yield Case(name, sent, ("t", "t", no), f"{last} is_accepted declined", declined)
    yield Case(
        name,
        sent,
        ("t", "t", "t", "t"),
        f"{last} cool_down expire",
        "blocked: The quote has expired",
    )


def extracted(rows: int, rejected: int = 0, day: str = "2026-01-31") -> ScriptedEvent:
    return ScriptedEvent("extract.finished", {"day": day, "rows": rows, "rejected_rows": rejected})


def data_pipeline() -> Iterator[Case]:
    name = "data_pipeline"
    helped = "blocked: The nightly load of 2026-01-31 needs a person"
    good, bad = extracted(1000), extracted(1000, rejected=500)
    read = "extract wait_for_extract is_plausible"
    load = "load load_warehouse load_standby"
    yield Case(name, {}, (good,), f"{read} {load} publish", "executed")
    yield Case(name, {}, (bad, "a"), f"{read} ask_data_owner {load} publish", "allowed")
    yield Case(name, {}, (bad, "r"), f"{read} ask_data_owner call_for_help", helped)
    yield Case(name, {}, (extracted(0), "e"), f"{read} ask_data_owner call_for_help", helped)
    yield Case(name, {}, ("t",), "extract wait_for_extract call_for_help", helped)
    yield Case(
        name, {}, (), "extract! extract! extract! extract! extract! call_for_help", helped,
        {"extract": 503},
    )  # fmt: skip
    retried = "load load_warehouse! load_standby load_warehouse!"
    yield Case(name, {}, (good,), f"{read} {retried} publish", "executed", {"load/0": 500})
    failed = f"{retried} load_warehouse!".replace("load_standby", "load_standby!")
    failed = failed.replace("load ", "load! ")
    both = {"load/0": 500, "load/1": 500}
    yield Case(name, {}, (good,), f"{read} {failed} call_for_help", helped, both)
    unpublished = f"{read} {load} publish! call_for_help"
    yield Case(name, {}, (good,), unpublished, helped, {"publish": 409})
