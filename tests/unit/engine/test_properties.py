"""Properties of every definition, context and order of answers, however odd they are."""

from collections import Counter
from collections.abc import Callable
from itertools import cycle, groupby
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from resumer_daemon.engine.inputs import Limits
from resumer_daemon.engine.outcome import Effect
from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition
from tests.harness.examples import examples
from tests.unit.engine.driver import Driver
from tests.unit.engine.flows import broken_definitions, contexts, definitions, replies, results

a_run = settings(
    max_examples=examples(120),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
many = settings(a_run, max_examples=examples(520))
odd = settings(a_run, max_examples=examples(360))


def driven(document: Any, data: st.DataObject, **options: Any) -> Driver:
    """Run a definition; `data` answers whatever it waits for."""
    answers = data.draw(st.lists(replies, min_size=1, max_size=4))
    returns = data.draw(st.lists(results, min_size=1, max_size=4))
    return Driver(
        parse_definition(document),
        data.draw(contexts),
        answers=_in_turn(answers),
        results=_in_turn(returns),
        **options,
    ).run()


def _in_turn(values: list[str]) -> Callable[..., str]:
    endless = cycle(values)
    return lambda *_: next(endless)


@many
@given(definitions, st.data(), st.sampled_from((*[None] * 8, 0.0, 3.0, 30.0)))
def test_a_sensible_definition_runs_to_its_end(document, data, time_left) -> None:
    driver = driven(document, data, time_left=time_left)
    nothing_is_done_twice(driver)
    members_come_after_their_container(driver)


@odd
@given(broken_definitions(), st.data())
def test_any_other_definition_does_no_harm(document, data) -> None:
    check(document)
    try:
        driver = driven(document, data)
    except DefinitionError:
        reject()  # what never gets to the engine is not counted here
    nothing_is_done_twice(driver)
    members_come_after_their_container(driver)


def the_same_in_parts(**options: Any) -> None:
    """Check that a run in parts does what a whole one does, and that many come to an end."""
    both_ended: list[bool] = []

    @a_run
    @given(definitions, contexts, st.lists(results.filter(lambda it: it != "later"), min_size=1))
    def each(document: Any, context: Any, returns: list[str]) -> None:
        definition = parse_definition(document)
        whole = Driver(definition, context, results=_by_place(returns), seconds=0.0).run()
        parts = Driver(
            definition, context, results=_by_place(returns), seconds=0.0, turns=100, **options
        ).run()
        begin_alike(whole, parts)
        both_ended.append(whole.end is not None and parts.end is not None)
        # with any_can_pass the first member that passes ends the others, wherever they are then
        if both_ended[-1] and "any_can_pass" not in f"{document}{whole.trace()}":
            assert parts.trace() == whole.trace()
            assert parts.end == whole.end
        nothing_is_done_twice(parts)

    each()
    assert sum(both_ended) > len(both_ended) // 3


def test_stopping_at_every_step_gives_the_same_trace() -> None:
    the_same_in_parts(limits=Limits(step_budget=1, chunk=1), one_by_one=True)


def test_letting_others_move_before_every_step_gives_the_same_trace() -> None:  # C49
    the_same_in_parts(hurried=True)


def begin_alike(one: Driver, other: Driver) -> None:
    """Check that two runs, which may go on for ever, are the same as far as both have come."""
    others = other.trace()
    for path, recorded in one.trace().items():
        both = list(zip(recorded, others.get(path, []), strict=False))
        assert [left for left, _ in both] == [right for _, right in both]


def nothing_is_done_twice(driver: Driver) -> None:
    """Check that each name was written once, and each effect repeated only after it had failed."""
    assert all(count == 1 for count in Counter(driver.names()).values())
    by_key: dict[str, list[Effect]] = {}
    for effect in driver.effects:
        by_key.setdefault(effect.key, []).append(effect)
    for sent in by_key.values():
        assert len({repr(effect.request) for effect in sent}) == 1, "the same bytes under one key"
        assert driver.succeeded[sent[0].key] <= 1
        attempts = [effect.attempt for effect in sent]
        assert [attempt for attempt, _ in groupby(attempts)] == list(range(1, attempts[-1] + 1))


def members_come_after_their_container(driver: Driver) -> None:
    """Check the order of records by when each began."""
    if driver.end is None:
        return
    seen: set[str] = set()
    for record in sorted(driver.records, key=lambda each: (each.began is None, each.began)):
        container, _, inside = record.path.partition("/")
        assert not inside or container in seen
        seen.add(record.path)


def _by_place(values: list[str]) -> Callable[[Effect], str]:
    """Answer an effect by where it is and how often it was tried, in whatever order they come."""
    return lambda effect: values[(len(effect.path) + effect.attempt) % len(values)]


def test_there_are_as_many_runs_as_promised() -> None:
    assert sum(each.max_examples for each in (a_run, many, odd)) >= examples(1_000)
