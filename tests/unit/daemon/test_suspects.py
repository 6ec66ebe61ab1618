"""Suspects: which executions of a failed turn are tried again, and for how long."""

from uuid import UUID

from resumer_daemon.daemon.suspects import SKIPS, Suspects

ONE, TWO = UUID(int=1), UUID(int=2)


def test_an_execution_that_others_had_locked_is_suspected_still():
    suspects = Suspects()
    suspects.add([ONE])
    group = suspects.first()
    assert group is not None
    suspects.tried(group, claimed=[])
    assert set(suspects.ids) == {ONE}


def test_an_execution_that_was_claimed_is_suspected_no_longer():
    suspects = Suspects()
    suspects.add([ONE, TWO])
    while (group := suspects.first()) is not None:
        suspects.tried(group, claimed=group.executions)
    assert not suspects.ids


def test_an_execution_that_is_never_claimed_is_forgotten_in_the_end():
    suspects = Suspects()
    suspects.add([ONE])
    for _ in range(SKIPS + 1):
        group = suspects.first()
        assert group is not None
        suspects.tried(group, claimed=[])
    assert not suspects.ids
