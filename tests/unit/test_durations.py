from decimal import Decimal

import pytest

from resumer_daemon.durations import LONGEST, format_age, format_duration, parse_duration


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
        ("2d", 172800.0),
        ("1w", 604800.0),
        ("1d12h", 129600.0),
        ("1.5d", 129600.0),
        ("PT48H", 172800.0),
        ("P2D", 172800.0),
        ("P1W", 604800.0),
        ("P1DT12H", 129600.0),
        ("PT5M", 300.0),
        ("PT1H30M15S", 5415.0),
        ("PT0.5S", 0.5),
        ("PT0,5S", 0.5),
        (172800, 172800.0),
        (30, 30.0),
        (Decimal("0.25"), 0.25),
        (Decimal("1E+3"), 1000.0),
    ],
)
def test_a_duration_is_understood(text, expected):  # C9
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "0", "0s", "-5s", "--5s", "+-5s", "5", "s", ".", ".s", "5 s", " 5s", "5s ",
        "5s\n",
        "1y", "1mm", "1M", "1H", "1S", "1D", "1W", "five seconds", "2 days", "3 days", "48 h",
        "1h ? 2m", "1h,30m", "1e3s", "0x1s", "٣s",
        "1..5s", "1.5.5s", "-1h", "0.1ns", "2562048h", "9" * 99 + "h", "1" * 1000 + "s",
        "1h-5m",
        "00:05:00", "P", "PT", "P1DT", "P1Y", "P1M", "PT5", "P-1D", "-P1D", "pt5m", "PT5M ",
        "PT0S", "P0D", "P1H", "PT1D", "PT1H1H", "172800", None, 30.0, True, ["30s"], {"s": 30},
        0, -1, Decimal("-0.5"), Decimal("1E-10"), Decimal("1E+400"), 10**400, 2**63,
    ],
)  # fmt: skip
def test_what_is_not_understood_or_not_positive_is_none(text):
    assert parse_duration(text) is None


def test_no_duration_is_longer_than_go_has():
    assert parse_duration("2562047h47m16.854775807s") == LONGEST


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
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (1.25, "1.2s"),
        (59.0, "59.0s"),
        (59.99, "1m"),
        (3_599.0, "1h"),
        (172_799.0, "2d"),
        (50 * 3_600.0, "2d"),
        (23 * 3_600.0, "23h"),
    ],
)
def test_an_age_is_rounded_in_its_largest_unit(seconds: float, text: str):
    assert format_age(seconds) == text
