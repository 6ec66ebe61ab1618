import pytest

from resumer_daemon.workflow.definition import WaitStep
from tests.unit.workflow.spelled import step


@pytest.mark.parametrize(
    "written",
    [
        {"wait": {"event": "quote.ok", "timeout": "48h", "on_timeout": "t"}, "on_event": "e"},
        {"wait": {"event": "quote.ok", "timeout": "48h", "on_timeout": "t", "on_event": "e"}},
        {"event": "quote.ok", "timeout": "48h", "on_timeout": "t", "on_event": "e"},
        {"wait": {"event": "quote.ok"}, "timeout": "48h", "on_timeout": "t", "on_event": "e"},
        {"wait": {"event": "quote.ok", "timeout": "48h"}, "timeout": "1h", "on_timeout": "t",
         "on_event": "e"},
    ],
)  # fmt: skip
def test_the_spellings_of_a_wait_for_an_event(written):
    assert step({"type": "wait", **written}) == WaitStep(
        id="s", event="quote.ok", wait_timeout="48h", on_timeout="t", on_event="e"
    )


@pytest.mark.parametrize(
    "written",
    [{"wait": {"for": "10m"}}, {"wait": {"duration": "10m"}}, {"duration": "10m"}, {"for": "10m"}],
)
def test_the_spellings_of_a_timer(written):
    assert step({"type": "wait", **written}) == WaitStep(id="s", duration="10m")


def test_the_way_of_a_wait():
    base = {"type": "wait", "event": "e", "next": "n"}
    assert (step(base).on_event, step(base).next) == (None, "n")
    assert step({**base, "metadata": {"on_resume": "r"}}).on_event == "r"
    assert step({**base, "metadata": {"on_resume": "r"}, "on_event": "e"}).on_event == "e"


def test_what_a_wait_matches():
    match = {"quote.id": "{{quote.id}}"}
    assert step({"type": "wait", "wait": {"event": "e", "match": match}}).match == match
    assert step({"type": "wait", "event": "e", "match": match}).match == match


@pytest.mark.parametrize(
    ("written", "kept"), [("soon", "soon"), (30, 30), (True, True), ([1], [1])]
)
def test_a_duration_of_a_wait_stays_what_it_is_so_that_it_fails_the_step(written, kept):
    assert step({"type": "wait", "for": written}).duration == kept
    assert step({"type": "wait", "event": "e", "timeout": written}).wait_timeout == kept


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"wait": {"event": "x", "filter": {"field": "event.a"}}}, "wait.filter: unknown key"),
        ({"wait": {"event": "x", "tiemout": "1h"}}, "wait.tiemout: unknown key of wait, did you m"),
        ({"wait": {"event": "x", "Match": {"a": 1}}}, "key of wait, did you mean match?"),
        ({"wait": {"event": "x", "until": "2026-01-31"}}, "wait.until: unknown key"),
        ({"wait": {"event": "x"}, "timeoutt": "1h"}, "timeoutt: unknown key of a wait"),
        ({"event": "x", "filter": {"field": "event.a"}}, "filter: unknown key of a wait"),
        ({"event": "x", "count": 3}, "count: unknown key of a wait"),
        ({"event": "x", "matches": {"a": 1}}, "unknown key of a wait, did you mean match?"),
        ({"wait": {"event": "x", "match": ["a"]}}, "wait.match: expected an object"),
        ({"wait": "10m"}, "wait: expected an object"),
        ({"wait": {"for": "1h"}, "requires": {"type": "approval"}}, "requires: only a block can"),
    ],
)  # fmt: skip
def test_a_wait_that_would_be_weaker_than_written_is_a_broken_gate(written, message):  # C8
    broken = step({"type": "wait", **written})
    assert message in broken.error
    assert broken.gate


def test_keys_of_a_wait_without_a_value_ask_for_nothing():
    assert step({"type": "wait", "wait": {"event": "e", "filter": None, "until": ""}}).event == "e"
    assert step({"type": "wait", "event": "e", "count": None, "description": "d"}).event == "e"
