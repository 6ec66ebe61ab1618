"""Values: who checks the types finds them frozen, who makes them does not pay for it.

A frozen dataclass sets each of its fields by a call; of the dozen values that a turn makes for each
execution that was an eighth of a busy daemon.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, slots: bool):
        """Make a dataclass of values, as `dataclass(frozen=True, slots=True)` does."""
        return dataclass(slots=slots, unsafe_hash=frozen)
