"""The checker is not blind: of each daemon that has one thing wrong it says so.

Of ours it says nothing: `make chaos`. A daemon that writes after another has taken its lease is too
rare here: facts made by hand (tests/unit/chaos) and the tests of the fence show that one.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.broken import DATABASES
from tests.chaos.run import Plan, run

WAITING, FAILING, ADOPTED = (
    ("among strangers",),
    ("unfinishable", "two of each"),
    ("ended by the service",),
)

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "key_of_each_attempt": ("under 2 keys", {"executions": 600, "kills": 8}),
    "marked_then_sent": ("is done, and never came", {"executions": 150, "kills": 8}),
    "sent_without_intent": ("has no intent", {"executions": 40, "kills": 1}),
    "sent_without_key": ("stands for", {"executions": 40, "kills": 1}),
    "settled_for_all": ("I6 ", {"gated": 30, "flows": ("two of each",)}),  # C1
    "resumed_without_a_word": ("I6 ", {"gated": 60, "flows": ("overridden",)}),  # C21
    "looking_back_at_everything": ("events of others", {"gated": 60, "flows": WAITING}),  # C28
    "turns_never_halved": ("not set apart", {"gated": 20, "flows": FAILING}),  # C30
    "guard_without_leases": ("I6 ", {"gated": 60, "flows": ("sends",)}),  # C39
    "adoptions_never_missed": ("I1 ", {"gated": 20, "flows": ADOPTED}),  # C44
    "guard_of_pauses_alone": ("; cancelled: True", {"gated": 60, "flows": ("sends",)}),  # C45
}
"""What the checker says of each faulty daemon, and the run in which that shows."""

NOTHING = {"executions": 0, "gated": 0, "odd": 0, "kills": 0, "stops": 0, "restarts": 0}


@pytest.mark.parametrize("broken", FAULTS)
def test_the_checker_names_the_fault_of_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
):
    monkeypatch.setenv("BROKEN_DAEMON", broken)
    said, much = FAULTS[broken]
    what: dict[str, Any] = NOTHING | much
    plan = Plan(20_260_131, daemon="tests.chaos.broken", patience=10.0, **what)
    plan.sql = DATABASES.get(broken, "")
    assert [line for line in run(plan, tmp_path).wrong() if said in line]
