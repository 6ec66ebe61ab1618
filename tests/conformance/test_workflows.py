"""The cases of `workflows/*.json`: a sentence of the semantics page, and a story to prove it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resumer_daemon.workflow.values import Json, load, values_equal
from tests.conformance.story import Shell, told

FOLDER = Path(__file__).parent / "workflows"
INPUTS = {"given", "of", "results", "elapsed", "hold", "because"}


CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in load(file.read_text())["cases"]
]


@pytest.mark.parametrize("case", CASES)
def test_a_workflow_runs_as_the_page_says(case: Json) -> None:
    assert case["proves"]
    shell = Shell(case)
    names: dict[str, Json] = {}
    for number, part in enumerate(case["story"]):
        actual = told(shell.tell(part))
        expected = {name: value for name, value in part.items() if name not in INPUTS}
        differences = list(compare(expected, actual, names, f"story[{number}]"))
        assert not differences, "\n".join(differences)


def compare(expected: Json, actual: Json, names: dict[str, Json], where: str) -> Iterator[str]:
    """Tell where what was expected is not; objects may have more than was expected of them.

    A name such as `@1` stands for the same value throughout a story, and no other name does.
    """
    match expected, actual:
        case dict(), dict():
            for key, value in expected.items():
                yield from compare(value, actual.get(key), names, f"{where}.{key}")
        case list(), list() if len(expected) == len(actual):
            for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from compare(one, other, names, f"{where}[{index}]")
        case str(), _ if expected.startswith("@"):
            names.setdefault(expected, actual)
            if [name for name, value in names.items() if value == actual] != [expected]:
                yield f"{where}: {actual!r} is not {expected} alone of {names}"
        case _:
            if not _agree(expected, actual):
                yield f"{where}: expected {expected!r}, found {actual!r}"


def _agree(expected: Json, actual: Json) -> bool:
    """Compare two values; a text that ends with `*` goes on as it likes."""
    if isinstance(expected, str) and isinstance(actual, str):
        return expected == actual or (
            expected.endswith("*") and actual.startswith(expected.removesuffix("*"))
        )
    if isinstance(expected, str) or isinstance(actual, str):
        return False
    return values_equal(expected, _exact(actual))


def _exact(value: Json) -> Json:
    return load(repr(value)) if isinstance(value, float) else value


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150
