import pytest

from resumer_daemon.workflow.definition import Action, ExecuteStep
from tests.unit.workflow.spelled import step


@pytest.mark.parametrize(
    "written",
    [
        {"type": "webhook", "url": "u", "body": {"a": 1}},
        {"type": "webhook", "data": {"url": "u", "body": {"a": 1}}},
        {"type": "webhook", "fields": {"url": "u", "body": {"a": 1}}},
        {"type": "webhook", "metadata": {"url": "u", "body": {"a": 1}}},
        {"type": "webhook", "url": "u", "metadata": {"body": {"a": 1}}},
        {"type": "http_request", "url": "u", "body": {"a": 1}},
        {"type": "http_request", "data": {"url": "u", "body": {"a": 1}}},
        {"type": "webhook", "url": "u", "data": {"url": "other", "body": {"a": 1}}},
    ],
)
def test_the_parameters_of_an_action(written):
    assert step({"type": "execute", "execute": [written]}).execute == (
        Action(type="webhook", params={"url": "u", "body": {"a": 1}}),
    )


@pytest.mark.parametrize(
    "written",
    [
        {"entity": "shipment", "data": {"order": 1}},
        {"entity": "shipment", "fields": {"order": 1}},
        {"metadata": {"entity": "shipment"}, "data": {"order": 1}},
        {"data": {"entity": "shipment", "data": {"order": 1}}},
        {"data": {"entity": "shipment", "fields": {"order": 1}}},
        {"fields": {"entity": "shipment", "data": {"order": 1}}},
        {"metadata": {"entity": "shipment", "data": {"order": 1}}},
        {"data": {"entity": "shipment", "order": 1}},
        {"data": {"entity": "shipment"}, "fields": {"order": 1}},
    ],
)
def test_the_data_of_a_record_is_told_from_the_parameters_of_the_action(written):
    found = step({"type": "execute", "execute": [{"type": "create_record", **written}]}).execute[0]
    assert found.params == {"entity": "shipment", "data": {"order": 1}}


def test_a_record_may_have_an_entity_among_its_data():
    written = {
        "type": "update_record",
        "entity": "audit",
        "entity_id": "7",
        "data": {"entity": "order"},
    }
    found = step({"type": "execute", "execute": [written]}).execute[0]
    assert found.params == {"entity": "audit", "entity_id": "7", "data": {"entity": "order"}}


def test_an_unknown_action_is_kept_for_its_turn():
    written = {"type": "execute", "execute": [{"type": "teleport", "to": "x"}, {}]}
    assert step(written).execute == (Action(type="teleport", params={"to": "x"}), Action(type=""))


@pytest.mark.parametrize(
    ("says", "goes_on"), [(True, True), (False, False), ("true", False), (None, False)]
)
def test_an_action_may_go_on_after_its_failure(says, goes_on):
    written = {"type": "execute", "execute": [{"type": "log", "continue_on_error": says}]}
    assert step(written).execute == (Action(type="log", continue_on_error=goes_on),)


def test_a_text_action_with_a_config_is_a_list_of_one():
    written = {"type": "execute", "action": "http_request", "config": {"url": "u", "method": "get"}}
    assert step(written) == ExecuteStep(
        id="s", execute=(Action(type="webhook", params={"url": "u", "method": "get"}),)
    )


def test_a_list_wins_over_a_text_action():
    written = {
        "type": "execute",
        "action": "webhook",
        "config": {"url": "u"},
        "execute": [{"type": "log"}],
    }
    assert step(written).execute == (Action(type="log"),)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("approver_rol", "cfo", "approver_rol: unknown key, did you mean approver_role?"),
        ("aprover_id", "5b0e", "aprover_id: unknown key, did you mean approver_id?"),
        ("expire_in", "1h", "expire_in: unknown key, did you mean expires_in?"),
        ("requester", "ann", "requester: unknown key, did you mean requester_id?"),
        ("role", "cfo", "role: unknown key, did you mean approver_role?"),
        ("timeout", "1h", "timeout: unknown key, did you mean expires_in?"),
        ("roles", ["cfo"], "roles: roles belongs in requires of the block"),
        ("approvals", 2, "approvals: approvals belongs in requires of the block"),
        ("requires", {"role": "x"}, "requires: requires belongs on the block"),
        ("approver_role", ["cfo"], "approver_role: expected a text, found a list"),
        ("approver_role", True, "approver_role: expected a text, found true"),
        ("approver_role", " ", "approver_role: expected a role, found an empty text"),
    ],
)
@pytest.mark.parametrize("bag", [None, "data", "fields", "metadata", "config"])
@pytest.mark.parametrize("of", [{"type": "execute"}, {"type": "action", "action": "block"}])
def test_whom_an_action_asks_is_never_somebody_else_than_written(
    of, bag, key, value, message
):  # C8
    given = {key: value} if bag is None else {bag: {key: value}}
    asks = {"type": "create_approval_request", "entity": "quote", **given}
    broken = step({**of, "execute": [asks]})
    assert f"execute[0].{message}" in broken.error
    assert broken.gate


def test_an_action_that_asks_may_carry_more_than_it_needs():
    more = {"title": "Quote", "priority": 3, "amount": "{{quote.total}}", "approver_role": 7}
    asks = step({
        "type": "execute",
        "execute": [{"type": "create_approval_request", "entity": "quote", "data": more}],
    })  # fmt: skip
    assert asks.execute[0].params == {"entity": "quote", **more}
