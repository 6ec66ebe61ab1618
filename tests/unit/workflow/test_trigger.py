import pytest

from resumer_daemon.workflow.trigger import starts_on


@pytest.mark.parametrize(
    ("event", "event_type", "starts"),
    [
        ("order.created", "order.created", True),
        ("order.created", "order.created.late", False),
        ("order.created", "Order.Created", False),
        ("order.*", "order.created", True),
        ("order.*", "order.", True),
        ("order.*", "order", False),
        ("order.*", "orders.created", False),
        ("order*", "orders.created", True),
        ("*", "anything", True),
        ("*.created", "order.created", False),
        ("order.*.late", "order.x.late", False),
        ("", "", False),
        (None, "None", False),
        (["order.created"], "order.created", False),
    ],
)
def test_an_event_is_exact_or_ends_in_a_star(event, event_type, starts):
    assert starts_on({"type": "event", "event": event}, event_type) is starts


@pytest.mark.parametrize("trigger", [{}, {"event": "a"}, {"type": "manual", "event": "a"}])
def test_only_a_trigger_of_type_event_starts_on_one(trigger):
    assert not starts_on(trigger, "a")
