"""Notifications: what the outbox has of them, what their receiver has, and what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Told(NamedTuple):
    """A notification as its receiver has it."""

    key: str
    execution: str


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox."""

    key: str
    execution: str
    state: str


def undelivered(told: Sequence[Told], messages: Sequence[Message]) -> Iterator[str]:
    """Yield what is wrong, a line each: every row comes at least once, and nothing but rows."""
    came = set(told)
    rows = {Told(each.key, each.execution) for each in messages}
    for each in messages:
        if each.state != "delivered":
            yield f"I1 message {each.key} is {each.state}"
    yield from (f"I1 {each} never came" for each in rows - came)
    yield from (f"I4 {each} has no row" for each in came - rows)
