"""Deadlines of executions and steps."""

from resumer_daemon.engine.runtime import Deadline, earlier


def test_the_earlier_limit_counts() -> None:
    soon, late = Deadline(5, 5), Deadline(10, 10)
    assert earlier(soon, late) is soon
    assert earlier(late, soon) is soon
    assert earlier(None, late) is late
    assert earlier(late, None) is late
    assert earlier(None, None) is None
