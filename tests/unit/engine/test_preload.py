from resumer_daemon.engine.preload import rule_ids
from resumer_daemon.workflow.parser import parse_definition


def test_the_rules_of_members_and_items_are_needed_too() -> None:
    definition = parse_definition(
        {
            "steps": [
                {"id": "a", "type": "condition", "rule_id": "top"},
                {"id": "b", "type": "condition", "condition": {"field": "x", "operator": "exists"}},
                {
                    "id": "p",
                    "type": "parallel",
                    "steps": [
                        {"id": "c", "type": "condition", "rule_id": "member"},
                        {
                            "id": "f",
                            "type": "foreach",
                            "items": "{{items}}",
                            "item_var": "item",
                            "steps": [{"id": "d", "type": "condition", "rule_id": "item"}],
                        },
                    ],
                },
            ]
        }
    )
    assert rule_ids(definition) == {"top", "member", "item"}
