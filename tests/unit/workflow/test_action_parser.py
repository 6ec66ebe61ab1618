from decimal import Decimal

import pytest

from resumer_daemon.workflow.definition import Action, ActionStep, ExecuteStep, Requires
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
        id="s", action="allow", execute=(Action(type="log", params={"message": "m"}),)
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
        id="s", execute=(Action(type="create_approval_request", params={"entity": "order"}),)
    )


@pytest.mark.parametrize(
    "written",
    [
        {"action": "block"},
        {"action": "block", "requires": {"role": "manager"}},
        {"action": "block", "metadata": {"approval_required": "true"}},
        {"action": "block", "metadata": {"approval_required": False, "approver_role": "manager"}},
        {"action": "block", "execute": [{"type": "notify"}]},
        {"action": "allow", "requires": {}},
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


def test_an_expiry_may_be_a_number_of_seconds():  # C9
    requires = {"type": "approval", "timeout": 3600}
    found = step({"type": "action", "action": "block", "requires": requires})
    assert found.requires == Requires(expires_in=3600)


@pytest.mark.parametrize("timeout", ["3 days", "48 h", "172800", 0, -1, True, ["1h"], "1y"])
@pytest.mark.parametrize("key", ["timeout", "expires_in"])
def test_an_expiry_that_is_not_understood_breaks_its_step(key, timeout):  # C9
    broken = step({"type": "require_approval", "requires": {key: timeout}})
    assert f"requires.{key}: expected a duration" in broken.error
    assert not broken.gate
    metadata = {"approval_required": True, "auto_expire": timeout}
    broken = step({"type": "action", "action": "block", "metadata": metadata})
    assert "metadata.auto_expire: expected a duration" in broken.error


def test_the_timeout_of_a_step_that_asks_is_its_deadline():  # C10
    ask = {"type": "require_approval", "timeout": "1s", "on_timeout": "stop"}
    for found in (
        step(ask),
        step({**ask, "requires": {"role": "boss"}}),
        step({**ask, "metadata": {"auto_expire": "9h"}}),
        step({**ask, "type": "action", "action": {"type": "require_approval"}}),
    ):
        assert (found.requires.expires_in, found.timeout) == ("1s", None)


def test_beside_a_deadline_in_requires_the_timeout_limits_an_attempt():  # C10
    found = step({"type": "require_approval", "timeout": "9s", "requires": {"timeout": "2d"}})
    assert (found.requires.expires_in, found.timeout) == ("2d", 9.0)


UNCLEAR = [
    ({"rolle": "cfo"}, "requires.rolle: unknown key of requires, did you mean role?"),
    ({"aprovals": 3}, "requires.aprovals: unknown key of requires, did you mean approvals?"),
    ({"timeoutt": "1h"}, "requires.timeoutt: unknown key of requires, did you mean timeout?"),
    ({"Role": "cfo"}, "requires.Role: unknown key of requires, did you mean role?"),
    ({"groups": ["a"]}, "requires.groups: unknown key of requires, known keys: type, role"),
    ({"users": ["a"]}, "requires.users: unknown key"),
    ({"stages": [{}]}, "requires.stages: unknown key"),
    ({"veto": True}, "requires.veto: unknown key"),
    ({"form": {}}, "requires.form: unknown key"),
    ({"approvals": "3"}, "requires.approvals: expected a whole number"),
    ({"approvals": 0}, "requires.approvals: expected a number from 1 to 100, found 0"),
    ({"approvals": -1}, "requires.approvals: expected a number from 1 to 100"),
    ({"approvals": True}, "requires.approvals: expected a whole number"),
    ({"roles": "cfo"}, "requires.roles: expected a list"),
    ({"roles": [["cfo"]]}, "requires.roles[0]: expected a text"),
    ({"roles": [None]}, "requires.roles[0]: expected a text"),
    ({"roles": ["cfo", " "]}, "requires.roles[1]: expected a role, found an empty text"),
    ({"role": ["cfo"]}, "requires.role: expected a text"),
    ({"type": "aproval"}, "requires.type: expected approval"),
    ({"type": ["approval"]}, "requires.type: expected approval"),
    (["cfo"], "requires: expected an object"),
    ("cfo", "requires: expected an object"),
    (True, "requires: expected an object"),
]


@pytest.mark.parametrize(("requires", "message"), UNCLEAR)
@pytest.mark.parametrize(
    "of",
    [
        {"type": "require_approval"},
        {"type": "action", "action": "block", "metadata": {"approval_required": True}},
        {"type": "action", "action": {"type": "require_approval"}},
    ],
)
def test_a_gate_that_is_not_understood_is_a_broken_gate(of, requires, message):  # C8
    broken = step({**of, "requires": requires})
    assert message in broken.error
    assert broken.gate


def test_approvals_that_are_no_whole_number_are_a_broken_gate():  # C8
    assert step({"type": "require_approval", "requires": {"approvals": Decimal("2.5")}}).gate
    assert step({"type": "require_approval", "requires": {"approvals": 2}}).requires.approvals == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("role", "cfo", "role belongs in requires"),
        ("roles", ["cfo"], "roles belongs in requires"),
        ("approvals", 2, "approvals belongs in requires"),
        ("expires_in", "1h", "expires_in belongs in requires"),
        ("require", {"role": "cfo"}, "unknown key, did you mean requires?"),
        ("requries", {"role": "cfo"}, "unknown key, did you mean requires?"),
        ("timeoutt", "1h", "unknown key, did you mean timeout?"),
        ("aprovals", 3, "unknown key, did you mean approvals?"),
        ("approver_rol", "cfo", "unknown key, did you mean approver_role?"),
        ("rolle", "cfo", "unknown key, did you mean role?"),
        ("approver", "ann", "approver belongs in requires"),
        ("exclude", ["ann"], "exclude belongs in requires"),
        ("self_approval", False, "self_approval belongs in requires"),
        ("escalate", [{"after": "4h"}], "escalate belongs in requires"),
        ("form", {"type": "object"}, "form belongs in requires"),
        ("on_timout", "late", "unknown key, did you mean on_timeout?"),
        ("on_rejct", "no", "unknown key, did you mean on_reject?"),
    ],
)
def test_what_is_meant_for_the_gate_and_stands_beside_it_breaks_it(key, value, message):  # C8
    for broken in (
        step({"type": "require_approval", key: value}),
        step({"type": "action", "action": {"type": "require_approval", key: value}}),
    ):
        assert message in broken.error
        assert broken.gate


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"approver_rol": "cfo"}, "metadata.approver_rol: unknown key, did you mean approver_role"),
        ({"auto_expir": "1h"}, "metadata.auto_expir: unknown key, did you mean auto_expire"),
        ({"role": "cfo"}, "metadata.role: role belongs in requires"),
        ({"approvals": 3}, "metadata.approvals: approvals belongs in requires"),
        ({"timeout": "1h"}, "metadata.timeout: timeout belongs in requires"),
        ({"approver_role": "  "}, "metadata.approver_role: expected a role"),
    ],
)
def test_metadata_that_asks_for_an_approval_asks_for_all_that_it_says(metadata, message):  # C8
    metadata = {"approval_required": True, **metadata}
    for broken in (
        step({"type": "action", "action": "block", "metadata": metadata}),
        step({"type": "action", "action": {"type": "block", "metadata": metadata}}),
    ):
        assert message in broken.error
        assert broken.gate


def test_metadata_beside_requires_may_hold_anything():
    metadata = {"role": "seller", "timeout": "none", "approval_requirement": 3}
    asks = step({"type": "require_approval", "requires": {"role": "cfo"}, "metadata": metadata})
    assert asks.requires.role == "cfo"


@pytest.mark.parametrize("role", [" ", "\t\n"])
def test_a_blank_role_is_nobody(role):  # C8
    broken = step({"type": "require_approval", "requires": {"role": role}})
    assert "requires.role: expected a role, found an empty text" in broken.error
    assert broken.gate


def test_the_timeout_of_the_action_is_the_deadline_too():  # C10
    asks = step({"type": "action", "action": {"type": "require_approval", "timeout": "2d"}})
    assert asks.requires.expires_in == "2d"
    assert asks.timeout is None
    wrong = step({"type": "action", "action": {"type": "require_approval", "timeout": "2 days"}})
    assert "action.timeout: expected a duration" in wrong.error


@pytest.mark.parametrize("requires", [{"type": "approval"}, {"role": "cfo"}, ["cfo"], "cfo", 5])
@pytest.mark.parametrize(
    "of",
    [
        {"type": "action", "action": "allow"},
        {"type": "action", "action": {"type": "execute"}},
        {"type": "execute", "execute": [{"type": "log"}]},
        {"type": "condition"},
        {"type": "parallel", "steps": [{"type": "condition"}]},
    ],
)
def test_requires_on_a_step_that_cannot_pause_is_a_broken_gate(of, requires):  # C8
    broken = step({**of, "requires": requires})
    assert "requires: only a block can require an approval" in broken.error
    assert broken.gate


def test_keys_of_requires_without_a_value_ask_for_nothing():
    requires = {"role": "cfo", "groups": None, "form": ""}
    assert step({"type": "require_approval", "requires": requires}).requires.role == "cfo"


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
