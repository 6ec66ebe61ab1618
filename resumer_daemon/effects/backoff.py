"""How long an effect waits before it is sent: jittered, decided when its attempt is recorded."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Final

from resumer_daemon.effects.http_message import HttpResult
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.engine.plan import PendingEffects

LONGEST: Final = 3600.0
"""How many seconds a receiver may ask us to wait."""


def full_jitter(seconds: float, random: Random) -> float:
    """Return any time up to `seconds`: what failed together must not come back together."""
    return random.uniform(0.0, seconds)


def retry_delay(backoff: float, retry_after: float | None, random: Random) -> float:
    """Return the seconds before the next attempt: a jittered backoff, or what the receiver asked.

    What it asked is only made longer, by up to a tenth, and never beyond an hour.
    """
    waited = full_jitter(backoff, random)
    if retry_after is None:
        return waited
    asked = min(retry_after, LONGEST)
    return max(waited, asked + full_jitter(asked / 10, random))


def with_jitter(launch: PendingEffects, random: Random) -> PendingEffects:
    """Shorten the rests of effects, so that what failed together does not come back together."""
    effects = (replace(e, delay=full_jitter(e.delay, random)) for e in launch.effects)
    return replace(launch, effects=tuple(effects))


def next_delays(
    launch: PendingEffects,
    before: PendingEffects,
    elapsed: float,
    results: Mapping[str, EffectResult],
    random: Random,
) -> PendingEffects:
    """Set the rests of a launch that follows `before` by `elapsed` seconds.

    A new attempt waits for as long as its receiver asked. An attempt that is under way keeps what
    is left of its rest.
    """
    going = {effect.path: effect for effect in before.effects if effect.path not in results}

    def rested(effect: Effect) -> Effect:
        known = going.get(effect.path)
        if known is not None and known.attempt == effect.attempt:
            if known.delay == 0.0:
                return known
            return replace(effect, delay=max(0.0, known.delay - elapsed))
        result = results.get(effect.path)
        asked = result.retry_after if isinstance(result, HttpResult) else None
        seconds = retry_delay(effect.delay, asked, random)
        return replace(effect, delay=min(seconds, effect.deadline or seconds))

    return replace(launch, effects=tuple(map(rested, launch.effects)))


def remaining_delays(launch: PendingEffects, rests: Mapping[str, float]) -> PendingEffects:
    """Set the rests of a launch that was taken over: what is left of those that were recorded."""
    effects = (replace(e, delay=rests.get(e.key, 0.0)) for e in launch.effects)
    return replace(launch, effects=tuple(effects))
