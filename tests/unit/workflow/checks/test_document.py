import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.context import build

FINDINGS = json.loads(Path(__file__).with_name("findings.json").read_text())
GOOD: dict[str, Any] = {
    "workflow_id": "high_value_order",
    "version": "1.0.0",
    "name": "High value order",
    "trigger": {"type": "event", "event": "order.created"},
    "context": {"load": ["customer"]},
    "timeout": "1h",
    "steps": [
        {"id": "large", "type": "condition", "on_true": "ask", "on_false": "allow",
         "condition": {"and": [{"field": "order.total", "operator": "gte", "value": 10000},
                               {"field": "order.email", "operator": "regex", "value": "@"}]}},
        {"id": "ask", "type": "require_approval", "on_true": "ship", "on_false": "deny",
         "requires": {"role": "manager", "timeout": "24h"},
         "execute": [{"type": "notify", "recipients": ["role:manager"],
                      "message": "{{customer.name}}: {{order.total}} until {{now + 24h}}"}]},
        {"id": "ship", "type": "foreach", "items": "{{order.items}}", "item_var": "item",
         "next": "allow", "steps": [
             {"id": "book", "type": "execute", "execute": [
                 {"type": "webhook", "url": "https://x/{{item.sku}}/{{item_index}}",
                  "headers": {"Authorization": "Bearer {{secrets.TOKEN}}"}}]}]},
        {"id": "allow", "type": "action", "action": "allow"},
        {"id": "deny", "type": "action", "action": "block", "reason": "{{approval.reason}}"},
    ],
}  # fmt: skip


def found(document: Any) -> list[tuple[str, str, str]]:
    return [(finding.severity, finding.path, finding.message) for finding in check(document)]


def steps(*written: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD, "steps": list(written)}


ALLOW = {"id": "allow", "type": "action", "action": "allow"}


def test_a_good_definition_has_no_findings():
    assert found(GOOD) == []


def test_an_inner_part_is_only_warned_of_its_names():
    inner = {key: GOOD[key] for key in ("trigger", "context", "steps")}
    assert [(severity, path) for severity, path, _ in found(inner)] == [
        ("warning", "$.workflow_id"), ("warning", "$.version"), ("warning", "$.name"),
    ]  # fmt: skip
    assert (
        found({**dict.fromkeys(("workflow_id", "version", "name"), "x"), "definition": inner}) == []
    )


def change(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one value put in at a path such as `steps.0.condition` (None: taken out)."""
    document = deepcopy(GOOD)
    *above, last = path.split(".")
    place: Any = document
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    return document


@pytest.mark.parametrize(("path", "value", "severity", "at", "message"), FINDINGS)
def test_a_check_finds(path, value, severity, at, message):
    findings = found(change(path, value))
    assert [told for *place, told in findings if place == [severity, at] and message in told]


@pytest.mark.parametrize(
    "message",
    ["{{order.anything}}", "{{approval.reason}}", "{{resume.data.note}}", "{{approved}}",
     "{{resume_event.x}}", "{{_computed.current_hour}}", "{{_meta.version}}", "{{quote.id}}",
     "{{now_plus_24h}}", "{{ execution . id }}", "{{approval_url}}", "{{secrets.TOKEN}}"],
)  # fmt: skip
def test_nothing_is_said_of_what_the_payload_may_bring(message):
    assert found(change("steps.1.execute.0.message", message)) == []


def test_seconds_of_a_trigger_that_are_no_number():  # C9
    trigger = {"type": "manual", "data": {"timeout_seconds": "5"}}
    ((severity, path, message),) = found({**GOOD, "timeout": None, "trigger": trigger})
    assert (severity, path) == ("error", "$.trigger.data.timeout_seconds")
    assert message == 'expected a number from 1, found "5", so no execution can start'


def test_an_unreachable_step():
    lost = {"id": "lost", "type": "action", "action": "allow"}
    assert found(steps(ALLOW, lost)) == [("warning", "$.steps[1]", "no step leads to lost")]


def test_an_approval_and_a_wait_lead_on_to_the_following_step():
    ask = {"id": "ask", "type": "require_approval", "on_false": "deny"}
    wait = {"id": "wait", "type": "wait", "for": "1h"}
    deny = {"id": "deny", "type": "action", "action": "block"}
    assert found(steps(ask, wait, deny)) == []


def test_a_loop_with_a_wait_is_fine_if_it_ends():
    look = {"id": "look", "type": "condition", "on_true": "allow", "on_false": "wait",
            "condition": {"field": "ready", "operator": "eq", "value": True}}  # fmt: skip
    wait = {"id": "wait", "type": "wait", "for": "1h", "next": "look"}
    assert found(steps(look, wait, ALLOW)) == []
    endless = {**look, "on_true": "wait"}
    assert ("warning", "$.steps[0]", "loop without an exit: look, wait") in found(
        steps(endless, wait)
    )


def test_a_loop_that_only_logs_or_asks_is_an_error():
    log = {"id": "log", "type": "execute", "execute": [{"type": "log"}], "next": "log"}
    assert [severity for severity, _, message in found(steps(log)) if "without a wait" in message]


def test_a_loop_past_its_effect_is_an_error_too():
    choose = {"id": "choose", "type": "condition", "on_true": "send", "on_false": "idle",
              "condition": {"field": "order.id", "operator": "exists"}}  # fmt: skip
    send = {"id": "send", "type": "execute", "next": "choose",
            "execute": [{"type": "webhook", "url": "https://x"}]}  # fmt: skip
    idle = {"id": "idle", "type": "action", "action": "allow", "next": "choose"}
    assert (
        "error",
        "$.steps[0]",
        "loop without a wait, an approval or an effect: choose, idle",
    ) in (found(steps(choose, send, idle)))


@pytest.mark.parametrize(("wait", "at"), [
    ({"for": "1 day"}, "$.steps[0].for"),
    ({"wait": {"duration": 0}}, "$.steps[0].wait.duration"),
    ({"event": "e", "timeout": "soon"}, "$.steps[0].timeout"),
    ({"event": "e", "timeout": "{{order.patience}}"}, "$.steps[0].timeout"),
])  # fmt: skip
def test_a_wait_fails_by_a_duration_that_is_not_understood(wait, at):
    ((severity, path, message),) = found(steps({"id": "w", "type": "wait", **wait}))
    assert (severity, path) == ("error", at)
    assert message.endswith("the wait fails")


def test_ways_are_followed_in_a_body_whose_steps_name_each_other():
    def body(**ways: str) -> dict[str, Any]:
        first = {"id": "a", "type": "action", "action": "allow", **ways}
        return {"id": "each", "type": "foreach", "items": "{{order.items}}", "item_var": "item",
                "steps": [first, {"id": "b", "type": "action", "action": "allow"}]}  # fmt: skip

    assert found(steps(body())) == []
    assert found(steps(body(next="b"))) == []
    assert found(steps(body(next="b", on_error="c"))) == [
        ("error", "$.steps[0].steps[0].on_error", "step not found: c")
    ]


def test_every_broken_member_is_found():
    members = {"id": "p", "type": "parallel", "parallel": {"steps": [{"type": "x"}, {"type": "y"}]}}
    assert [path for _, path, _ in found(steps(members))] == [
        "$.steps[0].parallel.steps[0].type", "$.steps[0].parallel.steps[1].type",
    ]  # fmt: skip


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"steps": {}}])
def test_what_is_refused_is_one_error(document):
    ((severity, path, message),) = found(document)
    assert severity == "error"
    assert path in ("$", "$.steps")
    assert message


def test_a_rule_stands_in_for_a_condition():
    rule = {
        "id": "r",
        "type": "condition",
        "rule_id": "rule",
        "on_true": "allow",
        "on_false": "allow",
    }
    assert found(steps(rule, ALLOW)) == []


def test_what_is_too_wide_or_too_deep_to_run():
    wide = {"id": "p", "type": "parallel", "parallel": {"steps": [ALLOW | {"id": None}] * 65}}
    assert found(steps(wide)) == [
        ("error", "$.steps[0].parallel.steps", "65 steps, at most 64 can run")
    ]
    deep: dict[str, Any] = ALLOW
    for depth in range(10):
        deep = {"id": f"p{depth}", "type": "parallel", "steps": [deep]}
    assert found(steps(deep)) == [
        ("error", "$.steps[0]" + ".steps[0]" * 8, "parallel nested more than 8 levels deep")
    ]


@pytest.mark.parametrize("requires", ["x", 5, {"approvals": "many"}, {"type": "approval"}])
def test_an_allow_requires_nothing(requires):  # C8
    message = "only a block can require an approval, so this step would not pause"
    assert found(steps({**ALLOW, "requires": requires})) == [
        ("error", "$.steps[0].requires", message)
    ]


def test_metadata_that_asks_nobody_is_a_warning():
    path = "$.steps[0].metadata.approval_required"
    required = {"type": "action", "action": "block", "metadata": {"approval_required": "true"}}
    message = 'expected true or false, found "true", so no approval is required'
    assert ("warning", path, message) in found(steps({"id": "a", **required}))
    allow = {**ALLOW, "metadata": {"approval_required": True}}
    message = "allow requires no approval, because only a block can"
    assert ("warning", path, message) in found(steps(allow))


def test_a_list_that_asks_for_fewer_than_are_needed():
    ask = {"type": "create_approval_request", "entity": "order"}
    step = {"id": "ask", "type": "require_approval", "on_false": "allow", "requires": {}}
    one, two = {**step, "execute": [ask]}, {**step, "execute": [ask, ask]}
    message = "2 approvals are needed, but the list creates 1"
    warned = [("warning", "$.steps[0].requires", message)]
    assert found(steps(one | {"requires": {"approvals": 2}}, ALLOW)) == warned
    assert found(steps(one | {"requires": {"roles": ["cfo", "ceo"]}}, ALLOW)) == warned
    assert found(steps(two | {"requires": {"approvals": 2}}, ALLOW)) == []
    assert found(steps(one, ALLOW)) == found(steps(two, ALLOW)) == []


def test_every_computed_name_is_known():
    order, customer = {"total": 1}, {"created_at": "2026-01-01"}
    context = build({"order": order, "customer": customer}, {}, datetime(2026, 1, 31, tzinfo=UTC))
    for root in ("_meta", "_computed"):
        for name in context[root]:
            assert found(change("steps.1.execute.0.message", f"{{{{{root}.{name}}}}}")) == []
