"""What holds for every definition, context and order of answers, however odd they are."""

from collections import Counter
from collections.abc import Callable
from itertools import cycle, groupby
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumer_daemon.engine.outcome import Completed, Effect, Failed
from resumer_daemon.engine.world import Limits
from resumer_daemon.workflow.faults import Refused
from resumer_daemon.workflow.spelling import normalise
from tests.unit.engine.driver import Driver
from tests.unit.engine.flows import broken_definitions, contexts, definitions, replies, results

BUDGET = 20
a_run = settings(
    max_examples=1_000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
many = settings(a_run, max_examples=2_000)


def driven(document: Any, data: st.DataObject, **options: Any) -> Driver:
    """Run a definition; `data` answers whatever it waits for."""
    answers = data.draw(st.lists(replies, min_size=1, max_size=4))
    returns = data.draw(st.lists(results, min_size=1, max_size=4))
    return Driver(
        normalise(document),
        data.draw(contexts),
        answers=_in_turn(answers),
        results=_in_turn(returns),
        **options,
    ).run()


def _in_turn(values: list[str]) -> Callable[..., str]:
    endless = cycle(values)
    return lambda *_: next(endless)


@many
@given(definitions, st.data(), st.sampled_from((None, 0.0, 3.0)))
def test_a_sensible_definition_runs_to_its_end(document, data, time_left) -> None:
    driver = driven(document, data, time_left=time_left)
    nothing_is_done_twice(driver)
    began = [record.began for record in driver.records]
    assert all(began)


@many
@given(broken_definitions(), st.data())
def test_any_other_definition_does_no_harm(document, data) -> None:
    try:
        driver = driven(document, data)
    except Refused:
        return
    nothing_is_done_twice(driver)


@a_run
@given(definitions, contexts, st.lists(results.filter(lambda it: it != "later"), min_size=1))
def test_stopping_at_every_step_gives_the_same_trace(document, context, returns) -> None:
    definition = normalise(document)
    whole = Driver(definition, context, results=_by_place(returns), seconds=0.0).run()
    stopping = Limits(step_budget=1, chunk=1)
    parts = Driver(
        definition,
        context,
        results=_by_place(returns),
        seconds=0.0,
        limits=stopping,
        turns=300,
    ).run()
    if isinstance(whole.end, Completed | Failed) and isinstance(parts.end, Completed | Failed):
        assert parts.trace() == whole.trace()
        assert parts.end == whole.end


def _by_place(values: list[str]) -> Callable[[Effect], str]:
    """Answer an effect by where it is and how often it was tried, in whatever order they come."""
    return lambda effect: values[(len(effect.path) + effect.attempt) % len(values)]


def nothing_is_done_twice(driver: Driver) -> None:
    """Check that each name was written once, and each effect sent on only while it had failed."""
    assert all(count == 1 for count in Counter(driver.names()).values())
    by_key: dict[str, list[Effect]] = {}
    for effect in driver.effects:
        by_key.setdefault(effect.key, []).append(effect)
    for sent in by_key.values():
        assert len({repr(effect.request) for effect in sent}) == 1, "the same bytes under one key"
        attempts = [effect.attempt for effect in sent]
        assert [attempt for attempt, _ in groupby(attempts)] == list(range(1, attempts[-1] + 1))
