"""Every case of `workflows/*.json`: a sentence of the semantics page, and a story that proves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resumer_daemon.workflow.values import Json, load, same
from tests.conformance.story import Shell, told

FOLDER = Path(__file__).parent / "workflows"
INPUTS = {"given", "results", "elapsed", "hold", "because"}


CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in load(file.read_text())["cases"]
]


@pytest.mark.parametrize("case", CASES)
def test_a_workflow_runs_as_the_page_says(case: Json) -> None:
    assert case["proves"]
    shell = Shell(case)
    for number, part in enumerate(case["story"]):
        actual = told(shell.tell(part))
        expected = {name: value for name, value in part.items() if name not in INPUTS}
        differences = list(compare(expected, actual, f"story[{number}]"))
        assert not differences, "\n".join(differences)


def compare(expected: Json, actual: Json, where: str) -> Iterator[str]:
    """Tell where what was expected is not.

    Objects may have more than was expected of them, and a text that ends with `*` goes on.
    """
    match expected, actual:
        case str(), str() if expected.endswith("*") and actual.startswith(expected[:-1]):
            return
        case dict(), dict():
            for key, value in expected.items():
                if key in actual:
                    yield from compare(value, actual[key], f"{where}.{key}")
                elif value is not None:
                    yield f"{where}.{key}: nothing there, but {sorted(actual)}"
        case list(), list() if len(expected) == len(actual):
            for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from compare(one, other, f"{where}[{index}]")
        case _ if type(expected) is type(actual) and same(expected, actual):
            return
        case _ if not isinstance(expected, str) and same(expected, _exact(actual)):
            return
        case _:
            yield f"{where}: expected {expected!r}, found {actual!r}"


def _exact(value: Json) -> Json:
    return load(repr(value)) if isinstance(value, float) else value


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150
