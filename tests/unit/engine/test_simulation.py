"""The pure half of `simulate`: scripts, what is decided already, and what conditions saw."""

from copy import deepcopy
from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution, Decision, ResumeRequest
from resumer_daemon.engine.outcome import Completed, Effect, EffectResult, Incident, Paused
from resumer_daemon.engine.simulation import (
    Scenario,
    ScriptedDecision,
    ScriptedEvent,
    Simulation,
    simulate,
)
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json

NOBODY = UUID(int=0)
WORLD = AdvanceInputs(datetime(2026, 1, 31, 9, 30, tzinfo=UTC), NOBODY, "exec_1", "flow")
ALLOW = {"id": "release", "type": "action", "action": "allow"}


def ask(step: str = "ask", **requires: Json) -> dict[str, Json]:
    return {"id": step, "type": "require_approval", "requires": requires, "next": "release"}


def claimed(payload: Json = None) -> ClaimedExecution:
    return ClaimedExecution(
        NOBODY, "exec_1", "pending", None, "flow", None, None, None, payload, None, 0, (), ()
    )


def run(
    steps: list[Json], *words: ScriptedDecision, payload: Json = None, **script: Json
) -> Simulation:
    return simulate(
        parse_definition({"steps": steps}), claimed(payload), WORLD, Scenario(words, **script)
    )


def seen(played: Simulation) -> list[tuple[str, list[Json]]]:
    return [
        (step.record.path, [each.actual for each in step.comparisons])
        for stretch in played.segments
        for step in stretch.steps
        if step.record.step_type == "condition"
    ]


@pytest.mark.parametrize(
    ("requires", "asked"),
    [({}, 1), ({"approvals": 3}, 3), ({"roles": ["finance", "legal"]}, 2)],
)
def test_one_word_is_the_word_of_all_who_are_asked(requires: dict[str, Json], asked: int) -> None:
    played = run([ask(**requires), ALLOW], "approved")
    answer = played.segments[1].resolution
    assert isinstance(answer, Decision)
    assert len(answer.all) == asked
    assert played.segments[1].stop == Completed("allowed", "Action allowed by workflow")


def test_one_refusal_is_enough() -> None:
    played = run([ask(approvals=3), ALLOW], "rejected")
    answer = played.segments[1].resolution
    assert isinstance(answer, Decision)
    assert [each.decision for each in answer.all] == ["rejected"]


def test_approvers_that_nobody_asked_are_made_up() -> None:
    create = {"type": "create_approval_request", "entity": "order"}
    step = {**ask(approvals=2), "execute": [create]}
    assert run([step, ALLOW], "approved").claimed.status == "completed"


def test_what_is_decided_already_comes_before_the_script() -> None:
    steps = [ask("first"), ask("second") | {"id": "second"}, ALLOW]
    steps[0] |= {"next": "second"}
    definition = parse_definition({"steps": steps})
    paused = simulate(definition, claimed(), WORLD, Scenario()).claimed
    [approval] = paused.approvals
    decided = approval._replace(status="rejected")
    request = ResumeRequest(1, "approval", approval.id, "rejected")
    written = replace(paused, approvals=(decided,), requests=(request,))
    played = simulate(definition, written, WORLD, Scenario(("approved",)))
    assert [stretch.stop for stretch in played.segments] == [Completed("blocked", None)]
    assert played.unused == Scenario(("approved",))


def test_an_incident_takes_no_answer() -> None:
    again = {"id": "again", "type": "action", "action": "allow", "next": "again"}
    played = run([again], "approved", "timeout")
    assert isinstance(played.segments[-1].stop, Incident)
    assert played.claimed.status == "paused"
    assert played.unused.decisions == ("approved", "timeout")


def test_a_wait_without_a_timeout_does_not_time_out() -> None:
    played = run([{"id": "w", "type": "wait", "event": "paid"}], "timeout")
    assert isinstance(played.segments[-1].stop, Paused)
    assert played.unused.decisions == ("timeout",)


def test_events_are_taken_by_type_and_by_what_they_name() -> None:
    steps = [{"id": "w", "type": "wait", "event": "paid"}, ALLOW]
    events = (
        ScriptedEvent("sent", {}),
        ScriptedEvent("paid", {"order": {"id": 2}}),
        ScriptedEvent("paid", {"order": {"id": 1}}),
    )
    played = run(steps, payload={"order": {"id": 1}}, events=events)
    assert played.claimed.status == "completed"
    assert played.unused.events == events[:2]


def test_time_passes_with_a_timeout_and_an_expiry() -> None:
    steps = [
        {"id": "w", "type": "wait", "wait": {"for": "2h"}, "next": "ask"},
        ask(timeout="48h"),
        {"id": "release", "type": "wait", "wait": {"for": "1h"}},
    ]
    steps[1] |= {"on_expired": "release"}
    stop = run(steps, "timeout", "expired").segments[-1].stop
    assert isinstance(stop, Paused)
    assert stop.wait.due_at is not None
    assert stop.wait.due_at.replace(microsecond=0) == datetime(2026, 2, 2, 12, 30, tzinfo=UTC)


def test_conditions_are_seen_in_the_scope_of_their_item() -> None:
    big = {"type": "condition", "condition": {"field": "item.n", "operator": "gt", "value": 1}}
    inner = {"id": "p", "type": "parallel", "steps": [big, big]}
    loop = {"type": "foreach", "items": "{{list}}", "item_var": "item", "steps": [big, inner]}
    played = run([{**loop, "id": "a/b#c"}], payload={"list": [{"n": 1}, {"n": 2}]})
    assert dict(seen(played)) == {
        "a~1b~2c/0/0": [1],
        "a~1b~2c/0/1/0": [1],
        "a~1b~2c/0/1/1": [1],
        "a~1b~2c/1/0": [2],
        "a~1b~2c/1/1/0": [2],
        "a~1b~2c/1/1/1": [2],
    }


def test_a_missing_rule_has_no_comparisons() -> None:
    played = run([{"id": "c", "type": "condition", "rule_id": "gone"}])
    assert seen(played) == [("c", [])]
    assert played.segments[0].steps[0].record.error == "rule not found: gone"


def test_what_it_is_given_stays_as_it_was() -> None:
    given = claimed({"order": {"id": 1}, "list": [1]})
    before = deepcopy(given)
    definition = parse_definition({"steps": [ask(), ALLOW]})
    first = simulate(definition, given, WORLD, Scenario(("approved",)))
    assert given == before
    assert first == simulate(definition, given, WORLD, Scenario(("approved",)))


def test_an_effect_may_be_answered_otherwise() -> None:
    send = {"type": "webhook", "url": "https://a.test/{{order.id}}"}
    step = {"id": "s", "type": "execute", "execute": [send], "on_error": "release"}
    sent: list[Effect] = []

    def refuse(effect: Effect) -> EffectResult:
        sent.append(effect)
        return EffectResult("connection refused", "connection")

    definition = parse_definition({"steps": [step, ALLOW]})
    played = simulate(definition, claimed({"order": {"id": 7}}), WORLD, Scenario(), refuse)
    assert [effect.request["url"] for effect in sent] == ["https://a.test/7"]
    assert [each.record.error for each in played.segments[0].steps] == ["connection refused", None]


def test_many_effects_in_a_row_keep_their_order() -> None:
    send = {
        "id": "send",
        "type": "execute",
        "execute": [{"type": "webhook", "url": "https://a.test"}],
    }
    loop = {"type": "foreach", "items": "{{list}}", "item_var": "item", "steps": [send]}
    played = run([{**loop, "id": "all"}, ALLOW], payload={"list": list(range(300))})
    paths = [step.record.path for step in played.segments[0].steps]
    assert paths == ["all", *(f"all/{number}/0" for number in range(300))]
