"""The in-process event that NOTIFY sets, and who set it."""

import asyncio
from time import perf_counter
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["notify", "awake", "poll", "timer", "reconcile"]


class Wakeup:
    """Wakes the worker. Cleared before a look, so that what comes during it wakes again."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._source: Source = "awake"
        self._heard = 0.0

    def set(self, source: Source) -> None:
        """Wake whoever waits; the first source since the last look is the one that counts."""
        if not self._event.is_set():
            self._source = source
            self._heard = perf_counter()
            self._event.set()

    def clear(self) -> float:
        """Forget what has woken us, for what it spoke of is about to be looked at.

        Return when it did, on `perf_counter`; now, where nothing has.
        """
        heard = self._heard if self._event.is_set() else perf_counter()
        self._event.clear()
        return heard

    async def wait(self, seconds: float, otherwise: Source) -> Source:
        """Wait to be woken and return by whom; after `seconds` return `otherwise`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return otherwise
        return self._source
