"""What a stranger's definition can cost: counted in steps, turns and bytes, never in time."""

from collections import Counter
from typing import Any

import pytest

from resumer_daemon.engine.inputs import Limits
from resumer_daemon.engine.outcome import Completed, Failed
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.step_result import Ended
from resumer_daemon.engine.steps import dispatch
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import dump
from tests.unit.engine.driver import Driver

LOG = {"type": "execute", "execute": [{"type": "log"}]}
SEND = {"type": "execute", "execute": [{"type": "webhook", "url": "https://x.example/{{item}}"}]}


def foreach(step_id: str, items: str, *body: Any) -> dict[str, Any]:
    steps = [{"id": f"{step_id}{number}", **step} for number, step in enumerate(body)]
    return {"id": step_id, "type": "foreach", "items": items, "item_var": "item", "steps": steps}


def run(step: dict[str, Any], items: list[Any], **options: Any) -> Driver:
    return Driver(parse_definition({"steps": [step]}), {"items": items}, **options).run()


def test_many_items_are_recorded_in_pieces() -> None:
    driver = run(foreach("each", "{{items}}", LOG), list(range(10_000)))
    assert driver.end == Completed("executed")
    assert len(driver.records) == 10_001
    assert driver.turn == 10


def test_the_state_of_many_items_is_a_cursor() -> None:
    driver = run(foreach("each", "{{items}}", SEND), list(range(300)), turns=301)
    assert driver.end == Completed("executed")
    assert len(driver.effects) == 300
    assert driver.largest_state < 600


def test_a_failing_parallel_keeps_no_more_than_it_may_repeat() -> None:
    members = [{"id": f"m{number}", **SEND} for number in range(64)]
    step = {"id": "p", "type": "parallel", "strategy": "best_effort", "steps": members}
    driver = run(step, [], results=lambda _: "500")
    assert driver.end == Completed("executed")
    assert len(driver.effects) == 64


# C50
@pytest.mark.parametrize("strategy", ["all_must_pass", "best_effort", "any_can_pass"])
def test_a_webhook_of_many_is_tried_when_it_begins_and_when_its_result_is_here(
    strategy, monkeypatch
) -> None:
    tried: Counter[str] = Counter()

    def counted(step: Step, place: Scope, walk: Run) -> Ended:
        tried[place.path] += 1
        return dispatch.run_step(step, place, walk)

    monkeypatch.setattr("resumer_daemon.engine.advance.run_step", counted)
    inner = [{"id": f"m{each}", **SEND} for each in range(16)]
    outer = [
        {"id": f"p{each}", "type": "parallel", "strategy": strategy, "steps": inner}
        for each in range(16)
    ]
    step = {"id": "all", "type": "parallel", "strategy": strategy, "steps": outer}
    driver = run(step, [], turns=300, one_by_one=True)
    assert driver.end == Completed("executed")
    again = 12  # advances that the driver repeats, to compare them
    assert sum(each.count("/") == 2 for each in tried) == 256
    assert max(times for path, times in tried.items() if path.count("/") == 2) <= 4
    assert max(times for path, times in tried.items() if path.count("/") == 1) <= 17 + again
    assert tried["all"] <= 257 + again


def test_nested_lists_end_in_an_incident() -> None:
    inner = foreach("inner", "{{items}}", LOG)
    limits = Limits(step_budget=10, items=20, chunk=50)
    driver = run(foreach("outer", "{{items}}", inner), list(range(20)), limits=limits, turns=10)
    assert driver.incidents > 0
    assert len(driver.records) <= 10 * (50 + 1)


@pytest.mark.parametrize("depth", [9, 40])
def test_nesting_too_deep_fails(depth) -> None:
    step: dict[str, Any] = LOG
    for _ in range(depth):
        step = {"type": "parallel", "steps": [step]}
    driver = run({"id": "p", **step}, [])
    assert isinstance(driver.end, Failed)
    assert "nested more than" in driver.end.error


def test_an_endless_loop_stops_at_the_budget() -> None:
    loop = {"id": "a", **LOG, "next": "a"}
    driver = Driver(parse_definition({"steps": [loop]}), limits=Limits(), turns=1).run()
    assert len(driver.records) == 1_000
    assert driver.incidents == 1


def test_a_retry_that_never_ends_waits_a_finite_time() -> None:
    step = {"id": "x", **SEND, "retry": {"max_attempts": 10**9}}
    driver = run(step, [], results=lambda _: "500", turns=60)
    assert max(effect.delay for effect in driver.effects) <= 2.0**32
    assert dump(driver.state.to_json())


# C49
def test_an_advance_whose_time_is_up_stops_before_the_next_step() -> None:
    steps = [{"id": f"s{number}", **LOG, "next": f"s{number + 1}"} for number in range(5)]
    del steps[-1]["next"]
    driver = Driver(parse_definition({"steps": steps}), turns=9, hurried=True)
    driver.run()
    assert driver.end == Completed("executed")
    assert driver.turn == 5


# C48
@pytest.mark.parametrize("act", [{"type": "log"}, {"type": "notify", "recipients": ["ann"]}])
def test_an_advance_that_has_written_much_stops_and_goes_on_with_the_next(act) -> None:
    big = {"type": "execute", "execute": [{**act, "message": "{{doc}}"}]}
    each = {**foreach("each", "{{items}}", big), "id": "each"}
    context = {"items": list(range(100)), "doc": "x" * 400_000}
    driver = Driver(parse_definition({"steps": [each]}), context, limits=Limits(), turns=50).run()
    assert driver.end == Completed("executed")
    assert 4 <= driver.turn <= 11
