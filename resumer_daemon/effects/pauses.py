"""How long to wait before an attempt is made again."""

from random import Random
from typing import Final

LONGEST: Final = 3600.0
"""How many seconds a receiver may ask us to wait."""


def full_jitter(seconds: float, random: Random) -> float:
    """Return any time up to `seconds`: what failed together must not come back together."""
    return random.uniform(0.0, seconds)


def pause(backoff: float, retry_after: float | None, random: Random) -> float:
    """Return the seconds before the next attempt: a jittered backoff, or what the receiver asked.

    What it asked is only made longer, by up to a tenth, and never beyond an hour.
    """
    jittered = full_jitter(backoff, random)
    if retry_after is None:
        return jittered
    asked = min(retry_after, LONGEST)
    return max(jittered, asked + full_jitter(asked / 10, random))
