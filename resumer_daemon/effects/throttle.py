"""Limit requests per host: concurrency, circuit breaker, one budget for all retries."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from resumer_daemon.effects.urls import read_url
from resumer_daemon.engine.outcome import Effect, EffectResult


class RetryBudget:
    """A token bucket for all hosts together: each first attempt pays in, each retry takes one out.

    `share` of a token is paid in by a first attempt, and `floor` tokens by every second, so that a
    daemon with little to do may retry too; at most `most` are kept. It starts full.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        share: float = 0.1,
        floor: float = 1.0,
        most: float = 100.0,
    ) -> None:
        self._clock = clock
        self._share = share
        self._floor = floor
        self._most = most
        self._tokens = most
        self._seen = clock()

    def pay(self) -> None:
        """Pay in for a first attempt."""
        self._flow()
        self._tokens = min(self._most, self._tokens + self._share)

    def wait(self) -> float:
        """Return the seconds before a retry is worth asking for; 0 is now."""
        self._flow()
        return max(0.0, (1.0 - self._tokens) / self._floor)

    def take(self) -> None:
        """Take one out for a retry, after `wait` returned 0."""
        self._tokens -= 1.0

    def _flow(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._floor)
        self._seen = now


_PROBE: Final = 1.0


class Breaker:
    """Opens after `failures` in a row for `rest` seconds, then lets a single probe through.

    The probe's outcome closes it, or opens it again. Times are of a monotonic clock.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
        self._probing = False

    @property
    def pristine(self) -> bool:
        """Tell whether there is nothing to remember about this host."""
        return self._failures == 0

    def wait(self) -> float:
        """Return the seconds before the next request is worth asking for; 0 is now."""
        if self._failures < self._limit:
            return 0.0
        if self._probing:
            return min(self._rest, _PROBE)
        return max(0.0, self._closed_until - self._clock())

    def enter(self) -> bool:
        """Note that a request goes out, and tell whether it is the probe; `leave` wants to know."""
        probe = self._failures >= self._limit
        self._probing = self._probing or probe
        return probe

    def leave(self, well: bool | None, probe: bool) -> None:
        """Note what became of a request; None is for what says nothing about the host."""
        if probe:
            self._probing = False
        if well:
            self._failures = 0
        elif well is not None:
            self._failures += 1
            # Not for what was under way already: a slow failure says nothing new.
            if probe or self._failures == self._limit:
                self._closed_until = self._clock() + self._rest


REMEMBERED: Final = 1000
"""How many hosts are remembered, save those that something is under way to."""


class Throttled(Exception):
    """An attempt must not be made now. It has not been made: ask again after `seconds`."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(slots=True)
class HostAttempt:
    """An attempt that was let through; whoever makes it puts its result here."""

    result: EffectResult | None = None


class _HostSlots:
    def __init__(self, places: int, breaker: Breaker) -> None:
        self.places = asyncio.Semaphore(places)
        self.breaker = breaker
        self.users = 0


class HostThrottle:
    """Lets attempts through, and learns from their results. One for the whole process."""

    def __init__(
        self,
        *,
        places: int = 8,
        failures: int = 5,
        rest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        budget: RetryBudget | None = None,
    ) -> None:
        """Take the limits of one host: `places` at once, `failures` in a row, `rest` in seconds."""
        self._places = places
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._budget = budget or RetryBudget(clock)
        self._lanes: dict[str, _HostSlots] = {}

    @asynccontextmanager
    async def attempt(self, effect: Effect) -> AsyncIterator[HostAttempt]:
        """Wait for a place at the effect's host, and keep it for as long as the block runs.

        Raises:
            NotNow: The host rests, or there have been too many retries. The block is not run.
        """
        lane = self._lane(origin_of(effect))
        lane.users += 1
        try:
            async with lane.places:
                probe = self._pass(lane.breaker, effect)
                attempt = HostAttempt()
                try:
                    yield attempt
                finally:
                    lane.breaker.leave(_well(attempt.result), probe)
        finally:
            lane.users -= 1

    def _pass(self, breaker: Breaker, effect: Effect) -> bool:
        if seconds := breaker.wait():
            raise Throttled(seconds, "the host has failed too often")
        if effect.attempt == 1:
            self._budget.pay()
        elif seconds := self._budget.wait():
            raise Throttled(seconds, "there are too many retries")
        else:
            self._budget.take()
        return breaker.enter()

    def _lane(self, name: str) -> _HostSlots:
        lane = self._lanes.pop(name, None)
        if lane is None:
            lane = _HostSlots(self._places, Breaker(self._failures, self._rest, self._clock))
            self._forget()
        self._lanes[name] = lane  # the last in the order of use
        return lane

    def _forget(self) -> None:
        """Make room for a new host: forget what is of no use, else what was not used longest."""
        if len(self._lanes) < REMEMBERED:
            return
        idle = [name for name, lane in self._lanes.items() if not lane.users]
        useless = [name for name in idle if self._lanes[name].breaker.pristine]
        for name in useless or idle[:1]:
            del self._lanes[name]


def origin_of(effect: Effect) -> str:
    """Return who will answer an effect, such as `https://api.example`; empty if nobody can."""
    try:
        return read_url(str(effect.request.get("url"))).origin
    except ValueError:
        return ""


def _well(result: EffectResult | None) -> bool | None:
    """Tell whether a result speaks for its host; None where it says nothing."""
    if result is None or result.retry_class == "fault":
        return None
    failed_as = result.retry_class or ""
    overloaded = failed_as in ("timeout", "connection", "429") or failed_as.startswith("5")
    return not overloaded
