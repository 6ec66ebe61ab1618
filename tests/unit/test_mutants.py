"""The list of mutants cannot rot: each fault still fits the code, and its tests still exist.

Where a change of the code ends one, change its text in `tests/mutants`, or replace it.
"""

import re

from tests.mutants.listing import ROOT, Mutant, mutants

ALL = mutants()
LEAST = 80


def changes_once(mutant: Mutant) -> bool:
    text = (ROOT / mutant.file).read_text("utf-8")
    try:
        return mutant.applied(text) != text
    except ValueError:  # the text is not there exactly once, or the statement is gone
        return False


def exists(test: str) -> bool:
    file, _, function = test.partition("::")
    text = (ROOT / file).read_text("utf-8")
    return re.search(rf"^(async )?def {function or 'test_'}", text, re.MULTILINE) is not None


def test_each_mutant_is_one_change_of_the_code_as_it_is():
    assert [f"{m.area}: {m.name} ({m.file})" for m in ALL if not changes_once(m)] == []


def test_the_tests_of_each_mutant_exist():
    assert [m.name for m in ALL if not m.tests] == []
    assert [(m.name, test) for m in ALL for test in m.tests if not exists(test)] == []


def test_there_are_as_many_mutants_as_promised_and_no_two_of_one_name():
    assert len({(mutant.area, mutant.name) for mutant in ALL}) == len(ALL) >= LEAST
