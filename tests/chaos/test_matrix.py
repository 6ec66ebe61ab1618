"""A few cells of the kill matrix; `make chaos ARGS=--matrix` runs all of them."""

import json
from pathlib import Path

from tests.chaos.matrix import Cell, run_matrix

CELLS = (
    Cell("turn_committed", "parallel", "SIGKILL"),
    Cell("record_uncommitted", "foreach", "SIGKILL"),
    Cell("effect_answered", "repause", "SIGSTOP"),
    Cell("hand_over_uncommitted", "wait", "SIGTERM"),
    Cell("take_messages_committed", "tells", "SIGKILL"),
)


def test_whatever_is_killed_when_nothing_is_lost_and_nothing_sent_outside_its_key(tmp_path: Path):
    assert {cell: wrong for cell, wrong in run_matrix(CELLS, tmp_path, seed=0) if wrong} == {}


def test_what_was_delivered_and_not_recorded_is_delivered_again_under_its_key(tmp_path: Path):
    cell = Cell("settle_message_uncommitted", "tells", "SIGKILL")
    assert list(run_matrix([cell], tmp_path, seed=0)) == [(cell, [])]
    came = map(json.loads, (tmp_path / "receiver.jsonl").read_text("utf-8").splitlines())
    keys = [each["key"] for each in came if "message" in each["body"]]
    assert len(keys) > 1
    assert len(set(keys)) == 1
