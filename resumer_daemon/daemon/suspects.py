"""The executions of failed batches: which to repeat together next, and how often each failed.

A failed batch is repeated in halves, down to one execution. An execution that fails alone several
times in a row is at fault. It is not at fault where every other batch fails as well, where
another session is in the way, or where the database cannot be reached meanwhile. An error in a
function of the service is its own where no other execution is suspected, though nothing else
moves.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final
from uuid import UUID

from resumer_daemon.daemon.failures import (
    Cause,
    cause_of,
    is_foreign,
    is_lock,
    is_lost,
)

MOST: Final = 1_000
"""Executions that may be suspected at once."""

TIMES: Final = 3
"""Failures in a row, alone, after which an execution is at fault."""

TIMES_LOST: Final = 5
"""The same where the connection was lost, because that may be a short outage."""

SKIPS: Final = 30
"""Times that an execution is tried again which another session had locked."""

FIRST, LAST = 0.1, 30.0  # seconds until an execution is tried alone again


@dataclass(slots=True, eq=False)
class Group:
    """Executions to repeat together.

    `moved`: executions that had moved in other batches when the group was made. `due`: when to
    repeat it, on `monotonic`. `skipped`: how often another session had them locked.
    """

    executions: tuple[UUID, ...]
    moved: int
    failures: int = 0
    due: float = 0.0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class SuspectVerdict:
    """The execution at fault, and the cause of its incident."""

    execution: UUID
    cause: Cause
    failures: int


class Suspects:
    """The suspects of one daemon. `moved` counts the executions that moved in other batches."""

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self._ids: frozenset[UUID] = frozenset()
        self.moved = 0

    @property
    def ids(self) -> Collection[UUID]:
        """The executions that no other batch claims."""
        return self._ids

    def add(self, executions: Iterable[UUID]) -> None:
        """Suspect the executions of a failed batch, at most `MOST` in all."""
        new = [each for each in executions if each not in self._ids][: MOST - len(self._ids)]
        self._keep(_halves(new, self.moved))

    def add_moved(self, executions: int) -> None:
        """Count executions that moved in other batches."""
        self.moved += executions

    def forget(self) -> None:
        """Suspect no execution, because it was an outage."""
        self._groups.clear()
        self._ids = frozenset()

    def first(self) -> Group | None:
        """Return the group that is due first, None without any."""
        return min(self._groups, key=lambda group: group.due, default=None)

    def passed(self, group: Group) -> None:
        """Suspect a group no longer."""
        self._drop(group)
        self._ids -= frozenset(group.executions)

    def tried(self, group: Group, claimed: Collection[UUID]) -> None:
        """Suspect the claimed executions of a group no longer. Repeat those that were locked.

        Otherwise two daemons that lock the one at fault by turns would hide it from each other.
        """
        self.passed(group)
        locked = tuple(each for each in group.executions if each not in claimed)
        if locked and group.skipped < SKIPS:
            again = replace(
                group, executions=locked, due=monotonic() + FIRST, skipped=group.skipped + 1
            )
            self._keep([again])

    def failed(self, group: Group, error: Exception, seconds: float) -> SuspectVerdict | None:
        """Note that a group failed after `seconds`. Return the one at fault, if it is known."""
        if group not in self._groups:  # forgotten meanwhile
            return None
        self._drop(group)
        if len(group.executions) > 1:
            self._keep(_halves(group.executions, self.moved))
            return None
        group.failures += 1
        group.due = monotonic() + min(LAST, FIRST * 2 ** (group.failures - 1))
        self._groups.append(group)
        if not self._at_fault(group, error, cause_of(error, seconds)):
            return None
        return SuspectVerdict(group.executions[0], cause_of(error, seconds), group.failures)

    def _at_fault(self, group: Group, error: Exception, cause: Cause) -> bool:
        if is_lock(error):
            return False
        if cause != "turn_failed":
            return group.failures >= TIMES
        if is_lost(error):
            return group.failures >= TIMES_LOST
        alone = is_foreign(error) and len(self._groups) == 1
        return group.failures >= TIMES and (alone or self.moved > group.moved)

    def _drop(self, group: Group) -> None:
        if group in self._groups:  # else it was forgotten meanwhile
            self._groups.remove(group)

    def _keep(self, groups: Iterable[Group]) -> None:
        for group in groups:
            self._groups.append(group)
            self._ids |= frozenset(group.executions)


def _halves(executions: Iterable[UUID], moved: int) -> list[Group]:
    together = tuple(executions)
    middle = (len(together) + 1) // 2
    parts = together[:middle], together[middle:]
    return [Group(part, moved) for part in parts if part]
