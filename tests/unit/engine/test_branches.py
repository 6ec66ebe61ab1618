"""Branches that wait on their own: where it ends does not depend on what comes first."""  # C1

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.examples import examples
from tests.unit.engine.model import ENDED, Model

containers = settings(
    max_examples=examples(80),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

KINDS = ("own", "ask", "two", "roles", "event", "time", "webhook", "list")


def member(kind: str, name: str) -> dict[str, Any]:
    """Return a member of a container that waits for something, or sends something."""
    block = {"id": name, "type": "action", "action": "block"}
    create = {"type": "create_approval_request", "entity": "quote", "approver_role": name}
    send = {"type": "webhook", "url": f"https://{name}.example"}
    match kind:
        case "own":
            return {**block, "requires": {"type": "approval"}, "execute": [create]}
        case "ask":
            return {"id": name, "type": "require_approval", "requires": {"role": name}}
        case "two":
            return {"id": name, "type": "require_approval", "requires": {"approvals": 2}}
        case "roles":
            return {"id": name, "type": "require_approval", "requires": {"roles": ["a", "b"]}}
        case "event":
            return {"id": name, "type": "wait", "wait": {"event": name, "timeout": "1h"}}
        case "time":
            return {"id": name, "type": "wait", "wait": {"for": "1h"}}
        case "webhook":
            return {"id": name, "type": "execute", "execute": [send]}
        case _:
            return {**block, "requires": {"type": "approval"}, "execute": [send, create]}


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a flow of containers of members that wait, one nested in another now and then."""
    names = iter(f"s{number}" for number in range(100))

    def container(depth: int) -> dict[str, Any]:
        kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
        inside = [member(kind, next(names)) for kind in kinds]
        if depth and draw(st.booleans()):
            inside.append(container(depth - 1))
        name = next(names)
        if draw(st.integers(0, 3)) == 0:
            items = {"items": "{{items}}", "item_var": f"it_{name}", "steps": inside}
            return {"id": name, "type": "foreach", "foreach": items}
        strategy = draw(st.sampled_from(["all_must_pass", "best_effort"]))
        return {"id": name, "type": "parallel", "parallel": {"strategy": strategy, "steps": inside}}

    flow = [container(1) for _ in range(draw(st.integers(1, 2)))]
    return {"steps": [*flow, {"id": "end", "type": "action", "action": "allow"}]}


@containers
@given(definitions(), st.sampled_from(["approved", "rejected"]), st.data())
def test_the_end_does_not_depend_on_the_order_of_arrival(document, verdict, data) -> None:
    orderly = Model(document, context=None)
    in_turn(orderly, verdict)
    shuffled = Model(document)
    in_any_order(shuffled, verdict, data)
    assert ended(shuffled) == ended(orderly)
    assert path_of(shuffled) == path_of(orderly)


def in_turn(model: Model, verdict: str) -> None:
    """Let everything come one after the other, each with its turn."""
    model.settle()
    for _ in range(200):
        facts = possible(model, verdict)
        if not facts:
            return
        facts[0]()
        model.settle()
        no_decision_is_lost(model)


def in_any_order(model: Model, verdict: str, data: st.DataObject) -> None:
    """Let things come in any order, several before a turn is taken."""
    model.turn()
    for _ in range(400):
        facts = possible(model, verdict)
        if not facts:
            if model.status in ENDED:
                return
            model.settle()
            no_decision_is_lost(model)
            if not possible(model, verdict):
                return
            continue
        facts[data.draw(st.integers(0, len(facts) - 1))]()
        for _ in range(data.draw(st.integers(0, 2))):
            model.turn()
        if data.draw(st.booleans()):
            model.settle()
            no_decision_is_lost(model)


def possible(model: Model, verdict: str) -> list[Any]:
    """Return what can happen next to what waits: each as a call."""
    facts: list[Any] = []
    if model.status in ENDED:
        return facts
    for branch in model.branches:
        pending = [model.approvals[a] for a in branch.approval_ids if model.is_pending(a)]
        facts += [lambda a=approval: model.decide(a, verdict) for approval in pending]
        event = branch.wait.event
        if event is not None and not model.unused(event):
            facts.append(lambda e=event: model.emit(e, {}))
        if branch.reason == "waiting_for_time" and timer_is_set(model, branch.path):
            facts.append(lambda p=branch.path: model.let_time_come(p))
    facts += [lambda e=effect: model.answer(e) for effect in model.effects]
    return facts


def timer_is_set(model: Model, path: str) -> bool:
    return any(
        row.outcome is None and not row.request.due and row.request.decision == path
        for row in model.rows
    )


def no_decision_is_lost(model: Model) -> None:
    """Check that each decided approval of a branch that waits has a row that will move it."""
    for branch in model.branches:
        for approval in branch.approval_ids:
            if model.approvals[approval].status in ("approved", "rejected"):
                outcomes = model.outcomes(approval)
                assert any(each in (None, "held", "applied") for each in outcomes), outcomes


def ended(model: Model) -> tuple[str, str | None, str | None]:
    model.settle()
    assert model.status in ENDED, f"it stands at {model.branches}, {model.effects}"
    assert all(row.outcome is not None for row in model.rows if row.request.kind == "approval")
    return model.status, model.result, model.error


def path_of(model: Model) -> list[tuple[str, str]]:
    return sorted((step.path, step.error or "") for step in model.steps)
