"""Delays before effects are sent, with jitter. They are set when an attempt is recorded.

The attempts themselves are counted in `engine/steps/dispatch.py`.
"""

from collections.abc import Mapping
from random import Random
from typing import Final

from msgspec.structs import replace

from resumer_daemon.effects.http_message import HttpResult
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.engine.plan import PendingEffects

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds that a receiver may ask for, at most."""


def full_jitter(seconds: float, random: Random) -> float:
    """Return a random time up to `seconds`, so that attempts that failed together spread out."""
    return random.uniform(0.0, seconds)


def retry_delay(backoff: float, retry_after: float | None, random: Random) -> float:
    """Return the seconds before the next attempt: `backoff` with jitter, or longer.

    `retry_after` is what the receiver asked for, if anything. It is limited to an hour, and
    lengthened by up to a tenth.
    """
    delay = full_jitter(backoff, random)
    if retry_after is None:
        return delay
    requested = min(retry_after, MAX_RETRY_AFTER)
    return max(delay, requested + full_jitter(requested / 10, random))


def with_jitter(pending: PendingEffects, random: Random) -> PendingEffects:
    """Shorten the delays of effects at random, so that effects that failed together spread out."""
    effects = (replace(e, delay=full_jitter(e.delay, random)) for e in pending.effects)
    return replace(pending, effects=tuple(effects))


def next_delays(
    pending: PendingEffects,
    before: PendingEffects,
    elapsed: float,
    results: Mapping[str, EffectResult],
    random: Random,
) -> PendingEffects:
    """Set the delays of effects that are recorded `elapsed` seconds after `before`.

    A new attempt waits at least as long as its receiver asked for. An attempt in flight, which is
    one without a result, keeps the rest of its delay.
    """
    in_flight = {effect.path: effect for effect in before.effects if effect.path not in results}

    def delayed(effect: Effect) -> Effect:
        known = in_flight.get(effect.path)
        if known is not None and known.attempt == effect.attempt:
            if known.delay == 0.0:
                return known
            return replace(effect, delay=max(0.0, known.delay - elapsed))
        result = results.get(effect.path)
        requested = result.retry_after if isinstance(result, HttpResult) else None
        seconds = retry_delay(effect.delay, requested, random)
        return replace(effect, delay=min(seconds, effect.deadline or seconds))

    return replace(pending, effects=tuple(map(delayed, pending.effects)))


def remaining_delays(pending: PendingEffects, delays: Mapping[str, float]) -> PendingEffects:
    """Set the delays of effects that were taken over to `delays`, by key. Others are due now."""
    effects = (replace(e, delay=delays.get(e.key, 0.0)) for e in pending.effects)
    return replace(pending, effects=tuple(effects))
