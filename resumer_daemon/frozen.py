"""`@frozen`: a dataclass for values. The type checker refuses changes, at no cost at run time.

`dataclass(frozen=True)` sets each field by a call. A batch makes a dozen values for each execution,
and those calls were an eighth of a busy daemon's time.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class a slotted dataclass, hashable by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
