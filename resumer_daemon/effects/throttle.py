"""Limit requests per host by concurrency and a circuit breaker, and all retries by one budget."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from resumer_daemon.effects.urls import read_url
from resumer_daemon.engine.outcome import Effect, EffectResult


class RetryBudget:
    """A token bucket for the retries to all hosts. It starts full.

    Each first attempt adds `share` of a token, and each second adds `floor` tokens, so that a
    daemon with little to do can retry too. A retry takes one token. The bucket holds `most` tokens.
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
        self._filled_at = clock()

    def pay(self) -> None:
        """Add the share of a first attempt."""
        self._fill()
        self._tokens = min(self._most, self._tokens + self._share)

    def wait(self) -> float:
        """Return the seconds until a retry is possible. 0: now."""
        self._fill()
        return max(0.0, (1.0 - self._tokens) / self._floor)

    def take(self) -> None:
        """Take the token of a retry, after `wait` returned 0."""
        self._tokens -= 1.0

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._floor)
        self._filled_at = now


_PROBE_WAIT: Final = 1.0
"""Seconds until a request asks again while a probe is under way."""


class Breaker:
    """A circuit breaker. It opens for `open_seconds` after `failures` in a row.

    Then it lets a single probe through. The probe's result closes it, or opens it again. `clock`
    is monotonic.
    """

    def __init__(self, failures: int, open_seconds: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._probing = False

    @property
    def pristine(self) -> bool:
        """True if the host has no failures to remember."""
        return self._failures == 0

    def wait(self) -> float:
        """Return the seconds until the next request is possible. 0: now."""
        if self._failures < self._limit:
            return 0.0
        if self._probing:
            return min(self._open_seconds, _PROBE_WAIT)
        return max(0.0, self._open_until - self._clock())

    def enter(self) -> bool:
        """Count a request as sent. Return whether it is the probe, as `leave` needs to know."""
        probe = self._failures >= self._limit
        self._probing = self._probing or probe
        return probe

    def leave(self, ok: bool | None, probe: bool) -> None:
        """Count the result of a request. None: the result says nothing about the host."""
        if probe:
            self._probing = False
        if ok:
            self._failures = 0
        elif ok is not None:
            self._failures += 1
            # a request that was under way already, and fails late, does not extend the time
            if probe or self._failures == self._limit:
                self._open_until = self._clock() + self._open_seconds


REMEMBERED: Final = 1000
"""Hosts that are remembered, besides those with requests under way."""


class Throttled(Exception):
    """An attempt was not made, because it is not allowed now. Try again after `seconds`."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(slots=True)
class HostAttempt:
    """An attempt that is allowed. Its caller sets `result`."""

    result: EffectResult | None = None


class _HostSlots:
    def __init__(self, concurrency: int, breaker: Breaker) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self.breaker = breaker
        self.users = 0


class HostThrottle:
    """Allows attempts to hosts, and learns from their results. A process has one."""

    def __init__(
        self,
        *,
        concurrency: int = 8,
        failures: int = 5,
        open_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        budget: RetryBudget | None = None,
    ) -> None:
        """Set the limits of each host: `concurrency`, and those of its `Breaker`."""
        self._concurrency = concurrency
        self._failures = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._budget = budget or RetryBudget(clock)
        self._hosts: dict[str, _HostSlots] = {}

    @asynccontextmanager
    async def attempt(self, effect: Effect) -> AsyncIterator[HostAttempt]:
        """Wait for a slot of the effect's host, and keep it while the block runs.

        Raises:
            Throttled: The host failed too often, or there are too many retries. The block does not
                run.
        """
        host = self._host(origin_of(effect))
        host.users += 1
        try:
            async with host.slots:
                probe = self._enter(host.breaker, effect)
                attempt = HostAttempt()
                try:
                    yield attempt
                finally:
                    host.breaker.leave(_is_ok(attempt.result), probe)
        finally:
            host.users -= 1

    def _enter(self, breaker: Breaker, effect: Effect) -> bool:
        if seconds := breaker.wait():
            raise Throttled(seconds, "the host has failed too often")
        if effect.attempt == 1:
            self._budget.pay()
        elif seconds := self._budget.wait():
            raise Throttled(seconds, "there are too many retries")
        else:
            self._budget.take()
        return breaker.enter()

    def _host(self, name: str) -> _HostSlots:
        host = self._hosts.pop(name, None)
        if host is None:
            breaker = Breaker(self._failures, self._open_seconds, self._clock)
            host = _HostSlots(self._concurrency, breaker)
            self._evict()
        self._hosts[name] = host  # the last in the order of use
        return host

    def _evict(self) -> None:
        """Make room for a new host: forget idle ones without failures, else the oldest idle one."""
        if len(self._hosts) < REMEMBERED:
            return
        idle = [name for name, host in self._hosts.items() if not host.users]
        pristine = [name for name in idle if self._hosts[name].breaker.pristine]
        for name in pristine or idle[:1]:
            del self._hosts[name]


def origin_of(effect: Effect) -> str:
    """Return the origin of an effect's URL, such as `https://api.example`; empty if invalid."""
    try:
        return read_url(str(effect.request.get("url"))).origin
    except ValueError:
        return ""


def _is_ok(result: EffectResult | None) -> bool | None:
    """Tell whether the host works, as far as a result shows. None: it shows nothing."""
    if result is None or result.retry_class == "fault":
        return None
    retry_class = result.retry_class or ""
    overloaded = retry_class in ("timeout", "connection", "429") or retry_class.startswith("5")
    return not overloaded
