"""The examples: clean under `check-definition`, and run through to all of their ends."""

from collections.abc import Iterator

import pytest

from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.engine.outcome import Effects, Failed
from resumer_daemon.engine.simulation import ScriptedEvent
from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.checks.flow import exits_of
from resumer_daemon.workflow.checks.steps import Flow, flows
from resumer_daemon.workflow.parser import inner_part, parse_definition
from tests.acceptance.example_cases import cases, extracted, quote, quote_answered
from tests.acceptance.played import EXAMPLES, NOBODY, NOW, Case, document, end, path, play

NAMES = sorted(file.stem for file in EXAMPLES.glob("*.json"))
CASES = [pytest.param(case, id=f"{case.example}: {case.path} -> {case.end}") for case in cases()]


def test_there_are_six() -> None:
    assert len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_clean(name: str) -> None:
    assert check(document(name)) == []
    assert document(name)["workflow_id"] == name


@pytest.mark.parametrize("case", CASES)
def test_an_example_goes_this_way(case: Case) -> None:
    played = play(case)
    assert path(played) == case.path
    assert end(played.segments[-1].stop) == case.end
    assert not played.unused.decisions
    assert not played.unused.events


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_an_example_names_is_missing(case: Case) -> None:
    outputs = (s.record.output for stretch in play(case).segments for s in stretch.steps)
    assert [output["unresolved"] for output in outputs if "unresolved" in output] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_an_example_is_taken(name: str) -> None:
    taken = {pair for case in cases() if case.example == name for pair in _taken(case)}
    definition, inner = parse_definition(document(name)), inner_part(document(name))
    written = {
        (site.step.id, way.target)
        for flow in flows(definition, inner.members("steps"))
        for site, exits in zip(flow.sites, exits_of(flow), strict=True)
        for way in exits
        if _is_followed(flow)
    }
    assert written - taken == set()


def _is_followed(flow: Flow) -> bool:
    return flow.of != "parallel"


def _taken(case: Case) -> Iterator[tuple[str, str | None]]:
    """Return each step with the one that came next in its flow; None where the flow ended."""
    last: dict[str, str] = {}
    for seen in (seen for stretch in play(case).segments for seen in stretch.steps):
        flow = seen.record.path.rpartition("/")[0]
        before, last[flow] = last.get(flow), seen.record.step_id
        if before not in (None, last[flow]):
            yield f"{before}", last[flow]
    yield from ((step, None) for step in last.values())


def test_an_event_of_another_quote_ends_no_wait() -> None:
    other = quote_answered(True, quote=8)
    played = play(Case("quote_approval", quote(discount=5), (other,), "", ""))
    assert played.unused.events == (other,)
    assert end(played.segments[-1].stop).startswith("stands: Paused(reason='waiting_for_event'")


def test_an_event_of_another_day_ends_no_wait() -> None:
    other: ScriptedEvent = extracted(1000, day="2026-01-30")
    assert play(Case("data_pipeline", {}, (other,), "", "")).unused.events == (other,)


def test_the_pipeline_fails_when_its_two_hours_are_over() -> None:
    definition = parse_definition(document("data_pipeline"))
    context = {"_computed": {"current_date": "2026-01-31"}}
    state = begin(definition, definition.timeout)
    started = advance_once(
        definition, state, context, AdvanceInputs(NOW, NOBODY, "exec_1", "data_pipeline")
    )
    assert isinstance(started.outcome, Effects)
    late = AdvanceInputs(NOW, NOBODY, "exec_1", "data_pipeline", elapsed=7200)
    ended = advance_once(definition, started.state, context, late)
    assert ended.outcome == Failed("timed out after 2h")
