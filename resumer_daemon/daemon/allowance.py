"""CPU time for the engine: 50 ms for each execution, and two seconds for all of one turn."""

from time import thread_time
from typing import Final

EACH: Final = 0.05
TURN: Final = 2.0


class Allowance:
    """The time of one turn. Where it is used up, each execution still takes one step."""

    def __init__(self) -> None:
        self._end = thread_time() + TURN
        self._until = 0.0

    def begin(self) -> None:
        """Give the next execution its time."""
        self._until = min(thread_time() + EACH, self._end)

    def used_up(self) -> bool:
        """Tell whether the execution at hand has had its time."""
        return thread_time() >= self._until
