"""The only place where tests wait: for a fact, asked again and again, never for time to pass.

`RESUMER_TEST_PATIENCE` multiplies every limit: set it to 3 on a machine that is busy otherwise.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar, overload

T = TypeVar("T")

SECONDS = 20.0


def patient(seconds: float) -> float:
    """Return a limit in seconds as long as it is on this machine."""
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
        AssertionError: it was not within `timeout` seconds, times the patience; with `of` and
            the last answer.
    """
    answer: Any = None
    timeout = patient(timeout)
    for pause in _pauses(timeout):
        answer = fact()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        await asyncio.sleep(pause)
    raise AssertionError(_verdict(fact, timeout, answer, of))


def eventually_sync(fact: Callable[[], T], timeout: float = SECONDS, *, of: str = "") -> T:
    """As `eventually`, for tests without an event loop."""
    answer: object = None
    timeout = patient(timeout)
    for pause in _pauses(timeout):
        if answer := fact():
            return answer
        time.sleep(pause)
    raise AssertionError(_verdict(fact, timeout, answer, of))


def _pauses(timeout: float) -> Iterator[float]:
    """Yield longer and longer pauses, and a last one when the time is up, for one more look."""
    end = time.monotonic() + timeout
    pause = 0.005
    while time.monotonic() < end:
        yield pause
        pause = min(pause * 1.5, 0.1)
    yield 0.0


def _verdict(fact: Callable[[], object], timeout: float, answer: object, of: str) -> str:
    what = of or getattr(fact, "__qualname__", repr(fact))
    return f"not within {timeout:g} s: {what}; last answer: {answer!r}"
