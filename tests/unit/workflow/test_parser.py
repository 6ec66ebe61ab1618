import pytest

from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition

INNER = {
    "trigger": {"type": "event", "event": "order.created"},
    "context": {"load": ["customer", "order.history"]},
    "timeout": "1h",
    "steps": [{"id": "a", "type": "action", "action": "allow"}],
}
NAMES = {"workflow_id": "w", "version": "1.0.0", "name": "W"}


@pytest.mark.parametrize(
    "document",
    [
        INNER,
        {**NAMES, **INNER},
        {**NAMES, "definition": INNER},
        {**NAMES, "definition": {"steps": INNER["steps"]}, **INNER, "tags": ["kept", "ignored"]},
        {**NAMES, "definition": None, **INNER},
    ],
)
def test_a_definition_is_the_whole_document_or_its_inner_part(document):
    definition = parse_definition(document)
    assert [step.id for step in definition.steps] == ["a"]
    assert definition.trigger == {"type": "event", "event": "order.created"}
    assert definition.context_load == ("customer", "order.history")
    assert definition.timeout == 3600.0


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (None, "$"),
        ([], "$"),
        ("{}", "$"),
        (5, "$"),
        ({}, "$.steps"),
        ({"steps": None}, "$.steps"),
        ({"steps": {}}, "$.steps"),
        ({"steps": "a"}, "$.steps"),
        ({"definition": {"steps": 5}}, "$.definition.steps"),
        ({"steps": [None]}, "$.steps[0]"),
        ({"steps": [{"id": "a"}, "b"]}, "$.steps[1]"),
        ({"steps": [{"type": "action"}]}, "$.steps[0].id"),
        ({"steps": [{"id": ""}]}, "$.steps[0].id"),
        ({"steps": [{"id": 5}]}, "$.steps[0].id"),
        ({"steps": [{"id": "x" * 256}]}, "$.steps[0].id"),
        ({"steps": [{"id": "a"}, {"id": "a"}]}, "$.steps[1].id"),
        ({"steps": [{"id": "\0"}, {"id": "\ufffd"}]}, "$.steps[1].id"),
        ({"definition": {"steps": [{"id": "a"}, {"id": "a"}]}}, "$.definition.steps[1].id"),
    ],
)
def test_refused_as_a_whole_is_only_what_has_no_list_of_steps_with_unique_ids(document, path):
    with pytest.raises(DefinitionError) as caught:
        parse_definition(document)
    assert caught.value.path == path
    assert caught.value.reason


def test_no_steps_are_a_list_of_steps():
    assert parse_definition({"steps": []}).steps == ()


def test_an_id_has_1_to_255_characters():
    assert [step.id for step in parse_definition({"steps": [{"id": "x"}, {"id": "y" * 255}]}).steps]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ({"timeout": "90m"}, 5400.0),
        ({"timeout": "90m", "trigger": {"data": {"timeout_seconds": 5}}}, 5400.0),
        ({"trigger": {"data": {"timeout_seconds": 300}}}, 300.0),
        ({"trigger": {"data": {"timeout_seconds": 1.9}}}, 1.0),
        ({"timeout": 30}, 30.0),
        ({"timeout": "2d"}, 172800.0),
        ({"trigger": {"data": {"timeout_seconds": None}}}, None),
        ({"trigger": {"data": [300]}}, None),
        ({"trigger": "manual"}, None),
        ({}, None),
    ],
)
def test_the_timeout_of_a_definition(written, seconds):
    definition = parse_definition({"steps": [], **written})
    assert (definition.timeout, definition.timeout_error) == (seconds, None)


@pytest.mark.parametrize(
    "written",
    [
        {"timeout": "soon", "trigger": {"data": {"timeout_seconds": 300}}},
        {"timeout": "-5s"},
        {"timeout": "3 days"},
        {"timeout": True},
        {"trigger": {"data": {"timeout_seconds": 0.9}}},
        {"trigger": {"data": {"timeout_seconds": -5}}},
        {"trigger": {"data": {"timeout_seconds": "300"}}},
        {"trigger": {"data": {"timeout_seconds": True}}},
        {"trigger": {"data": {"timeout_seconds": 10**400}}},
    ],
)
def test_a_timeout_that_is_not_understood_is_never_no_timeout(written):  # C9
    definition = parse_definition({"steps": [], **written})
    assert definition.timeout is None
    assert (definition.timeout_error or "").startswith(
        ("$.timeout: expected", "$.trigger.data.timeout_seconds: expected")
    )
