import pytest

from resumer_daemon.workflow.durations import LONGEST, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("24h", 86400.0),
        ("90m", 5400.0),
        (".5h", 1800.0),
        ("1.h", 3600.0),
        ("1h1m1s1ms", 3661.001),
        ("1us", 0.000001),
        ("1\u00b5s", 0.000001),
        ("1\u03bcs", 0.000001),
        ("1ns", 1e-9),
        ("+5s", 5.0),
        ("1s1h", 3601.0),
        ("1s1s", 2.0),
        ("007s", 7.0),
        ("0.1s", 0.1),
        ("1m0s", 60.0),
        ("2562047h", 9223369200.0),
    ],
)
def test_a_go_duration_is_understood(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "0", "0s", "-5s", "--5s", "+-5s", "5", "s", ".", ".s", "5 s", " 5s", "5s ",
        "5s\n",
        "1d", "1w", "1y", "1mm", "1M", "1H", "1S", "five seconds",
        "1h ? 2m", "1h,30m", "1e3s", "0x1s", "٣s",
        "1..5s", "1.5.5s", "-1h", "0.1ns", "2562048h", "9" * 99 + "h", "1" * 1000 + "s",
        "1h-5m",
        "PT5M", "00:05:00", None, 30, 30.0, True, ["30s"], {"s": 30},
    ],
)  # fmt: skip
def test_what_go_does_not_read_or_is_not_positive_is_none(text):
    assert seconds(text) is None


def test_no_duration_is_longer_than_go_has():
    assert seconds("2562047h47m16.854775807s") == LONGEST
