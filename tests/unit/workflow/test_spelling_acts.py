import pytest

from resumer_daemon.workflow.definition import Act, ExecuteStep
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
        Act(type="webhook", params={"url": "u", "body": {"a": 1}}),
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
    assert step(written).execute == (Act(type="teleport", params={"to": "x"}), Act(type=""))


@pytest.mark.parametrize(
    ("says", "goes_on"), [(True, True), (False, False), ("true", False), (None, False)]
)
def test_an_action_may_go_on_after_its_failure(says, goes_on):
    written = {"type": "execute", "execute": [{"type": "log", "continue_on_error": says}]}
    assert step(written).execute == (Act(type="log", continue_on_error=goes_on),)


def test_a_text_action_with_a_config_is_a_list_of_one():
    written = {"type": "execute", "action": "http_request", "config": {"url": "u", "method": "get"}}
    assert step(written) == ExecuteStep(
        id="s", execute=(Act(type="webhook", params={"url": "u", "method": "get"}),)
    )


def test_a_list_wins_over_a_text_action():
    written = {
        "type": "execute",
        "action": "webhook",
        "config": {"url": "u"},
        "execute": [{"type": "log"}],
    }
    assert step(written).execute == (Act(type="log"),)
