"""The only place where tests wait: for a fact, asked again and again, never for time to pass.

A limit is for a quiet machine. When it is reached, the speed of this machine is measured, and the
wait goes on for as much longer as the machine is slower. A fact that holds ends every wait at once.
`RESUMER_TEST_PATIENCE` multiplies all limits besides.
"""

import asyncio
import inspect
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar, overload

T = TypeVar("T")

SECONDS = 20.0

ROUNDS = 400_000
QUIET = 0.03
"""Seconds that the rounds take on a quiet core of 2024."""

SLOWEST = 10.0
"""The largest factor, so that a wait for a fact that never holds ends."""


def slowness() -> float:
    """Measure how many times slower this machine is now than a quiet one, at least 1.

    Work of this process is slowed by a slow core and by others that run beside it. It lasts a
    tenth of a second, so that the load of the last minute counts too.
    """
    began, total = time.perf_counter(), 0
    for number in range(ROUNDS):
        total += number * number % 7
    measured = (time.perf_counter() - began) / QUIET
    queued = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(SLOWEST, max(1.0, measured, queued))


FRESH = 30.0
"""Seconds for which a measurement counts for limits that are set beforehand."""

_measured = {"at": -math.inf, "slowness": 1.0}


def patient(seconds: float) -> float:
    """Return a limit in seconds as long as it is on this machine now."""
    if time.monotonic() - _measured["at"] > FRESH:
        _measured.update(slowness=slowness(), at=time.monotonic())
    return _multiplied(seconds) * _measured["slowness"]


def _multiplied(seconds: float) -> float:
    return seconds * float(os.environ.get("RESUMER_TEST_PATIENCE", "1"))


@overload
async def eventually(
    fact: Callable[[], Awaitable[T]], timeout: float = ..., *, of: str = ...
) -> T: ...
@overload
async def eventually(fact: Callable[[], T], timeout: float = ..., *, of: str = ...) -> T: ...
async def eventually(
    fact: Callable[[], Any],
    timeout: float = SECONDS,
    *,
    of: str = "",
) -> Any:
    """Ask until the answer is true in the sense of Python, and return that answer.

    Raises:
        AssertionError: it was not within `timeout` seconds of a quiet machine; with `of` and the
            last answer.
    """
    answer: Any = None
    wait = Wait(timeout)
    for pause in wait:
        answer = fact()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        await asyncio.sleep(pause)
    raise AssertionError(_verdict(fact, wait.limit, answer, of))


def eventually_sync(fact: Callable[[], T], timeout: float = SECONDS, *, of: str = "") -> T:
    """As `eventually`, for tests without an event loop."""
    answer: object = None
    wait = Wait(timeout)
    for pause in wait:
        if answer := fact():
            return answer
        time.sleep(pause)
    raise AssertionError(_verdict(fact, wait.limit, answer, of))


class Wait:
    """Longer and longer pauses, and a last one when the time is up, for one more look.

    `limit`: in seconds, as long as it is known.
    """

    def __init__(self, seconds: float) -> None:
        self.limit = _multiplied(seconds)
        self._seconds = self.limit

    def __iter__(self) -> Iterator[float]:
        began, pause, measured = time.monotonic(), 0.005, False
        while True:
            if time.monotonic() < began + self.limit:
                yield pause
                pause = min(pause * 1.5, 0.1)
            elif measured:
                break
            else:
                self.limit, measured = self._seconds * slowness(), True
        yield 0.0


def _verdict(fact: Callable[[], object], timeout: float, answer: object, of: str) -> str:
    what = of or getattr(fact, "__qualname__", repr(fact))
    return f"not within {timeout:g} s: {what}; last answer: {answer!r}"
