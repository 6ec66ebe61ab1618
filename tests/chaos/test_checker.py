"""The checker is not blind: of each daemon that has one thing wrong it says so.

Of ours it says nothing: `make chaos`.
"""

from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.run import Plan, run

FAULTS: dict[str, tuple[str, dict[str, int]]] = {
    "without_fence": ("I5 ", {"executions": 250, "kills": 8, "stops": 5}),
    "key_of_each_attempt": ("under 2 keys", {"executions": 150, "kills": 8}),
    "marked_then_sent": ("is done, and never came", {"executions": 150, "kills": 8}),
    "sent_without_intent": ("has no intent", {"executions": 40, "kills": 1}),
    "sent_without_key": ("stands for", {"executions": 40, "kills": 1}),
}
"""What the checker says of each faulty daemon, and the run in which that shows."""

QUIET = {"stops": 0, "restarts": 0}


@pytest.mark.parametrize("broken", FAULTS)
def test_the_checker_names_the_fault_of_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
):
    monkeypatch.setenv("BROKEN_DAEMON", broken)
    said, much = FAULTS[broken]
    plan = Plan(20_260_131, daemon="tests.chaos.broken", patience=10.0, **(QUIET | much))
    facts, _ = run(plan, tmp_path)
    assert [line for line in violations(facts) if said in line]
