"""What of a pause point another definition does not have."""

from typing import Any

import pytest

from resumer_daemon.engine.compatibility import PausePoint, find_incompatible
from resumer_daemon.engine.state import NextSteps
from resumer_daemon.workflow.parser import parse_definition

ASK = {"id": "ask", "type": "require_approval"}
WAIT = {"id": "wait", "type": "wait", "event": "paid"}
GO = {"id": "go", "type": "action", "action": "allow"}
INSIDE = {
    "id": "all", "type": "foreach", "items": "{{list}}", "item_var": "item",
    "steps": [{"id": "both", "type": "parallel", "steps": [ASK, WAIT]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("step", "reason", "ways", "steps", "missing"),
    [
        ("ask", "approval_required", NextSteps(approved="go"), [ASK, GO], ()),
        ("ask", "approval_required", NextSteps(approved="go"), [GO], ("no step ask",)),
        (
            "ask", "approval_required", NextSteps(approved="go", rejected="stop", expired="stop"),
            [ASK], ("no step go (next after approved)", "no step stop (next after rejected)"),
        ),
        ("go", "approval_required", NextSteps(), [GO], ("go requires no approval",)),
        ("go", "waiting_for_event", NextSteps(), [GO], ("go is not a wait",)),
        ("wait", "waiting_for_time", NextSteps(event="go"), [WAIT, GO], ()),
        ("go", "manual", NextSteps(), [GO], ()),
        (None, "incident", NextSteps(), [GO], ()),
        ("ask", "approval_required", NextSteps(approved="all"), [INSIDE], ()),
        ("ask", "approval_required", NextSteps(approved="both"), [INSIDE],
         ("no step both (next after approved)",)),
    ],
)  # fmt: skip
def test_what_is_missing(
    step: str | None, reason: str, ways: NextSteps, steps: list[Any], missing: tuple[str, ...]
) -> None:
    assert (
        find_incompatible(PausePoint(step, reason, ways), parse_definition({"steps": steps}))
        == missing
    )
