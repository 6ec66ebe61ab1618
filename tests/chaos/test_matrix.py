"""A few cells of the kill matrix; `make chaos ARGS=--matrix` runs all of them."""

from pathlib import Path

from tests.chaos.matrix import Cell, run_matrix

CELLS = (
    Cell("turn_committed", "parallel", "SIGKILL"),
    Cell("record_uncommitted", "foreach", "SIGKILL"),
    Cell("effect_answered", "repause", "SIGSTOP"),
    Cell("hand_over_uncommitted", "wait", "SIGTERM"),
)


def test_whatever_is_killed_when_nothing_is_lost_and_nothing_sent_outside_its_key(tmp_path: Path):
    assert {cell: wrong for cell, wrong in run_matrix(CELLS, tmp_path, seed=0) if wrong} == {}
