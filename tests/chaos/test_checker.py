"""The checker is not blind: of each daemon that has one thing wrong it says so.

Of ours it says nothing: `make chaos`.
"""

from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.run import Plan, run

SEEN = {
    "without_fence": "I4",
    "key_of_each_attempt": "I4",
    "marked_then_sent": "I4",
    "sent_without_intent": "I4",
}


def plan() -> Plan:
    return Plan(seed=20_260_131, executions=250, kills=8, stops=5, restarts=1)


@pytest.mark.parametrize("broken", SEEN)
def test_it_sees_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str):
    monkeypatch.setenv("BROKEN_DAEMON", broken)
    chosen = plan()
    chosen.daemon, chosen.patience = "tests.chaos.broken", 15.0
    facts, _ = run(chosen, tmp_path)
    assert [line for line in violations(facts) if line.startswith(SEEN[broken])]
