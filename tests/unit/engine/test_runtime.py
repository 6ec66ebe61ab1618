import pytest

from resumer_daemon.engine.runtime import Deadline, earlier, format_limit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (30.0, "30s"),
        (90.0, "1m30s"),
        (3600.0, "1h"),
        (5400.0, "1h30m"),
        (90061.5, "25h1m1.5s"),
    ],
)
def test_durations_read_as_go_writes_them(seconds, text) -> None:
    assert format_limit(seconds) == text


def test_the_earlier_limit_counts() -> None:
    soon, late = Deadline(5, 5), Deadline(10, 10)
    assert earlier(soon, late) is soon
    assert earlier(late, soon) is soon
    assert earlier(None, late) is late
    assert earlier(late, None) is late
    assert earlier(None, None) is None
