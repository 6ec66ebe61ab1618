"""Membership in long lists: the same answers as one comparison after the other."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.workflow.conditions import LONG, among, decide
from resumer_daemon.workflow.errors import FieldNotFound
from resumer_daemon.workflow.values import values_equal

scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.decimals(-2, 2, places=2)
    | st.sampled_from(["", "0", "1", "1.0", "-0", "true", "false", "null", "x", "1E+1", "10"])
    | st.sampled_from([Decimal("1E+1"), Decimal("-0"), Decimal("1.00"), Decimal("0.5")])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
)


# C49
@given(values, st.lists(values, max_size=8))
def test_a_long_list_has_what_a_comparison_with_each_member_finds(value, some) -> None:
    members = [*some, *[{"filler": number} for number in range(LONG)]]
    assert among(value, members) is any(values_equal(value, member) for member in members)


# C49
def test_a_long_list_in_a_condition_is_asked_many_times() -> None:
    members = [f"blocked_{number}" for number in range(10_000)]
    for operator, name, answer in (("in", "blocked_77", True), ("not_in", "other", True)):
        condition = {"field": "it", "operator": operator, "value": members}
        for _ in range(2_000):
            assert decide(condition, {"it": name})[0] is answer
    condition = {"field": "all", "operator": "contains", "value": "{{it}}"}
    for _ in range(2_000):
        assert decide(condition, {"all": members, "it": "blocked_9999"})[0]


def test_references_in_a_long_list_are_followed_each_time() -> None:
    members = [*[f"x{number}" for number in range(LONG)], "{{mine}}"]
    condition = {"field": "it", "operator": "in", "value": members}
    assert decide(condition, {"it": "a", "mine": "a"})[0]
    assert not decide(condition, {"it": "a", "mine": "b"})[0]
    with pytest.raises(FieldNotFound):
        decide(condition, {"it": "a"})[0]
