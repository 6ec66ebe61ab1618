import pytest

from resumer_daemon.workflow.definition import Act, ActionStep, ExecuteStep, Requires
from tests.unit.workflow.spelled import step


@pytest.mark.parametrize("action", ["allow", "block", "execute"])
def test_the_spellings_of_an_action(action):
    beside = {"type": "action", "action": action, "reason": "r", "metadata": {"k": 1}}
    as_type = {"type": "action", "action": {"type": action, "reason": "r"}, "metadata": {"k": 1}}
    as_action = {
        "type": "action",
        "action": {"action": action},
        "reason": "r",
        "metadata": {"k": 1},
    }
    expected = ActionStep(id="s", action=action, reason="r", metadata={"k": 1})
    assert step(beside) == step(as_type) == step(as_action) == expected


def test_an_action_runs_its_list_wherever_it_stands():
    acts = [{"type": "log", "message": "m"}]
    expected = ActionStep(
        id="s", action="allow", execute=(Act(type="log", params={"message": "m"}),)
    )
    assert step({"type": "action", "action": "allow", "execute": acts}) == expected
    assert step({"type": "action", "action": {"type": "allow", "execute": acts}}) == expected


OF = {"role": "manager", "timeout": "24h"}
ASKED = {"type": "approval", **OF}
SAME = {"type": "approval", "approver_role": "manager", "expires_in": "24h"}


@pytest.mark.parametrize(
    "written",
    [
        {"type": "action", "action": "block", "requires": ASKED},
        {"type": "action", "action": "block", "requires": SAME},
        {"type": "action", "action": {"type": "block", "requires": ASKED}},
        {"type": "action", "action": {"action": "block", "requires": SAME}},
        {"type": "action", "action": {"type": "block"}, "requires": ASKED},
        {"type": "action", "action": {"type": "block", "requires": OF}, "requires": ASKED},
        {"type": "require_approval", "requires": OF},
        {"type": "require_approval", "action": "block", "requires": OF},
        {"type": "require_approval", "action": {"type": "block", "requires": OF}},
        {"type": "action", "action": "require_approval", "requires": OF},
        {"type": "action", "action": {"type": "require_approval", "requires": OF}},
    ],
)
def test_the_spellings_of_a_block_that_requires_an_approval(written):
    expected = ActionStep(
        id="s", action="block", requires=Requires(role="manager", expires_in="24h")
    )
    assert step(written) == expected


@pytest.mark.parametrize("where", ["step", "action"])
def test_metadata_may_ask_for_the_approval(where):
    metadata = {"approval_required": True, "approver_role": "manager", "auto_expire": "24h"}
    inside = {"type": "action", "action": {"type": "block", "metadata": metadata}}
    beside = {"type": "action", "action": "block", "metadata": metadata}
    found = step(beside if where == "step" else inside)
    assert found.requires == Requires(role="manager", expires_in="24h")


def test_a_list_that_creates_an_approval_asks_for_it():
    acts = [{"type": "log"}, {"type": "create_approval_request", "entity": "order"}]
    assert step({"type": "action", "action": "block", "execute": acts}).requires == Requires()


def test_any_other_step_that_creates_one_goes_on():
    acts = [{"type": "create_approval_request", "entity": "order"}]
    assert step({"type": "action", "action": "allow", "execute": acts}).requires is None
    assert step({"type": "execute", "execute": acts}) == ExecuteStep(
        id="s", execute=(Act(type="create_approval_request", params={"entity": "order"}),)
    )


@pytest.mark.parametrize(
    "written",
    [
        {"action": "block"},
        {"action": "block", "requires": {"role": "manager"}},
        {"action": "block", "requires": {"type": "signature"}},
        {"action": "block", "metadata": {"approval_required": "true"}},
        {"action": "block", "metadata": {"approval_required": False, "approver_role": "manager"}},
        {"action": "block", "execute": [{"type": "notify"}]},
        {"action": "allow", "requires": {"type": "approval"}},
        {"action": "execute", "metadata": {"approval_required": True}},
    ],
)
def test_a_block_requires_an_approval_only_when_it_says_so(written):
    assert step({"type": "action", **written}).requires is None


def test_how_many_approvals_and_of_whom():
    requires = {"type": "approval", "approvals": 2, "roles": ["manager", "finance", "manager"]}
    assert step({"type": "action", "action": "block", "requires": requires}).requires == Requires(
        approvals=2, roles=("manager", "finance")
    )


def test_requires_wins_over_metadata():
    metadata = {"approver_role": "clerk", "auto_expire": "1h", "role": "never", "timeout": "never"}
    requires = {"type": "approval", "role": "manager", "timeout": "24h"}
    written = {"type": "action", "action": "block", "requires": requires, "metadata": metadata}
    assert step(written).requires == Requires(role="manager", expires_in="24h")
    assert step({**written, "requires": {"type": "approval"}}).requires == Requires(
        role="clerk", expires_in="1h"
    )


def test_an_expiry_that_is_no_text_counts_as_not_given():
    requires = {"type": "approval", "timeout": 3600}
    assert step({"type": "action", "action": "block", "requires": requires}).requires == Requires()


def test_the_ways_of_an_approval():
    base = {"type": "require_approval", "on_true": "a", "next": "n"}
    expected = ActionStep(
        id="s",
        action="block",
        requires=Requires(),
        on_true="a",
        next="n",
        on_false="r",
        on_timeout="x",
    )
    assert step({**base, "on_false": "r", "on_timeout": "x"}) == expected
    assert step({**base, "on_reject": "r", "on_expired": "x"}) == expected
    assert (
        step({**base, "on_false": "r", "on_reject": "no", "on_timeout": "x", "on_expired": "no"})
        == expected
    )
