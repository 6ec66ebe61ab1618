"""The checker is not blind: of each daemon that has one thing wrong it says so.

Of ours it says nothing: `make chaos`.
"""

from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.run import Plan, run

FAULTS: dict[str, dict[str, int]] = {
    "without_fence": {"executions": 250, "kills": 8, "stops": 5, "restarts": 1},
    "key_of_each_attempt": {"executions": 150, "kills": 8, "stops": 0, "restarts": 0},
    "marked_then_sent": {"executions": 150, "kills": 8, "stops": 0, "restarts": 0},
    "sent_without_intent": {"executions": 40, "kills": 1, "stops": 0, "restarts": 0},
    "sent_without_key": {"executions": 40, "kills": 1, "stops": 0, "restarts": 0},
}
"""What each fault of a daemon needs to be seen: little, where it shows without any of ours."""


@pytest.mark.parametrize("broken", FAULTS)
def test_it_sees_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str):
    monkeypatch.setenv("BROKEN_DAEMON", broken)
    plan = Plan(20_260_131, daemon="tests.chaos.broken", patience=10.0, **FAULTS[broken])
    facts, _ = run(plan, tmp_path)
    assert [line for line in violations(facts) if line.startswith("I4")]
