"""Every condition of `conditions/*.json`.

A group may have a context. A case is `[field, operator, value, expected]` in it; without one the
field's value stands in place of its path. Or it is `[{context, condition}, expected]`, written
out. Expected is the answer, or a text that the fault's message holds.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from resumer_daemon.workflow.conditions import decide, explain
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.values import Json
from tests.conformance.cases import groups, name


def _cases() -> Iterator[Any]:
    for group in groups("conditions"):
        for *written, expected in group.written["cases"]:
            context, condition = _spelled_out(group.written.get("context"), written)
            yield pytest.param(
                condition, context, expected, id=name(group.file, *written, "->", expected)
            )


def _spelled_out(context: Json, written: list[Json]) -> tuple[Json, Json]:
    match written:
        case [{"condition": condition, **rest}]:
            return rest.get("context", context), condition
        case [path, operator, value] if context is not None:
            return context, {"field": path, "operator": operator, "value": value}
        case [actual, operator, value]:
            return {"it": actual}, {"field": "it", "operator": operator, "value": value}
    raise AssertionError(f"no case: {written}")


CASES = list(_cases())


@pytest.mark.parametrize(("condition", "context", "expected"), CASES)
def test_a_condition_is_answered_as_its_sentence_says(condition, context, expected):
    if isinstance(expected, bool):
        assert decide(condition, context)[0] is expected
        assert explain(condition, context)[-1].error is None
    else:
        with pytest.raises(StepError) as caught:
            decide(condition, context)[0]
        assert expected in str(caught.value)
        assert expected in (explain(condition, context)[-1].error or "")


def test_there_are_as_many_cases_as_promised():
    assert len(CASES) >= 400
