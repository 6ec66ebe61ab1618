"""Delays of retries, with jitter and `Retry-After`."""

from random import Random

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.effects.http_message import read_result, retry_after
from resumer_daemon.effects.redaction import SecretScope
from resumer_daemon.effects.retry_delays import MAX_RETRY_AFTER, full_jitter, retry_delay

NOW = 1_784_894_400.0  # Fri, 24 Jul 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("999999999", 999999999.0),
        ("Fri, 24 Jul 2026 12:02:00 GMT", 120.0),
        ("Friday, 24-Jul-26 12:02:00 GMT", 120.0),
        ("Fri Jul 24 12:02:00 2026", 120.0),
        ("Fri, 24 Jul 2026 11:00:00 GMT", 0.0),
        *(
            (text, None)
            for text in (
                "",
                "-1",
                "1.5",
                "1e3",
                "soon",
                "٣",
                "9" * 5000,
                "Fri, 99 Jul 2026 12:00:00 GMT",
                "Fri, 24 Jul 99999 12:00:00 GMT",
                "1 Jan",
                "\x00",
            )
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date(given_, seconds):
    assert retry_after(given_, NOW) == seconds


# C52
@pytest.mark.parametrize("ours", [-300.0, 0.0, 300.0])
async def test_retry_after_date_uses_the_clock_of_the_receiver(ours: float):
    headers = {
        "Date": "Fri, 24 Jul 2026 12:00:00 GMT",
        "Retry-After": "Fri, 24 Jul 2026 12:02:00 GMT",
    }
    response = httpcore2.Response(503, headers=list(headers.items()), content=b"")
    answer = await read_result(response, SecretScope(str), NOW + ours)
    assert answer.retry_after == 120.0


@given(st.text())
def test_retry_after_accepts_any_text(text):
    assert (retry_after(text, NOW) or 0.0) >= 0.0


@given(st.floats(0, 1e6), st.randoms(use_true_random=False))
def test_jitter_only_shortens_delays(seconds, random):
    assert 0.0 <= full_jitter(seconds, random) <= seconds
    assert 0.0 <= retry_delay(seconds, None, random) <= seconds


@given(st.floats(0, 60), st.floats(0, 1e9), st.randoms(use_true_random=False))
def test_retry_delay_is_at_least_retry_after(backoff, asked, random):
    waits = retry_delay(backoff, asked, random)
    assert min(asked, MAX_RETRY_AFTER) <= waits <= max(backoff, MAX_RETRY_AFTER * 1.1)


def test_jitter_spreads_delays():
    random = Random(7)  # noqa: S311 - nothing secret
    tenths = {int(full_jitter(1.0, random) * 10) for _ in range(200)}
    assert tenths == set(range(10))
