"""Definitions and rules, parsed once: by fingerprint they never change, so they need not travel."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set
from time import monotonic
from typing import Any
from uuid import UUID

from resumer_daemon.engine.inputs import Claimed
from resumer_daemon.engine.plan import Copy, Plan, Program
from resumer_daemon.engine.planner import Found, Programs, Unusable
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.errors import Refused
from resumer_daemon.workflow.parser import normalise
from resumer_daemon.workflow.values import load

CAPACITY = 1_000
KEPT = 3_600.0
"""Seconds until a current definition is kept again: what nobody uses is deleted after days."""


class Library:
    """A cache of parsed definitions, with copies of those that are not known to be kept yet."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._copies: dict[str, Copy] = {}
        self._kept: dict[str, float] = {}

    async def programs(self, session: Session, batch: Sequence[Claimed]) -> Programs:
        """Return the definitions that these executions may run on; read those not seen before."""
        hashes = {c.pause.definition for c in batch if c.pause and c.pause.definition}
        await self._read(session, hashes)
        current = {c.workflow for c in batch if c.workflow and _needs_current(c)}
        return Programs(
            {h: self._found[h] for h in hashes if h in self._found},
            await self._current(session, current),
        )

    async def kept_copy(self, session: Session, fingerprint: str) -> Found:
        """Return the definition that an execution went on with, whoever began it."""
        await self._read(session, {fingerprint})
        return self._found.get(fingerprint, Unusable("the copy of its definition is gone"))

    async def _read(self, session: Session, hashes: Set[str]) -> None:
        missing = [h for h in hashes if not isinstance(self._found.get(h), Program)]
        if not missing:
            return
        cursor = await session.run("read_definitions", {"hashes": array(missing)})
        for row in await cursor.fetchall():
            self._keep(row["sha256"], row["definition"])

    async def _current(self, session: Session, workflows: Iterable[UUID]) -> dict[UUID, Found]:
        ids = list(workflows)
        if not ids:
            return {}
        cursor = await session.run("read_workflows", {"ids": array(ids)})
        return {row["id"]: self._take(row) for row in await cursor.fetchall()}

    def _take(self, row: Mapping[str, Any]) -> Found:
        fingerprint: str = row["sha256"]
        if fingerprint not in self._found:
            self._keep(fingerprint, row["definition"])
        if monotonic() - self._kept.get(fingerprint, -KEPT) >= KEPT:
            found = self._found[fingerprint]
            awaits = found.definition.awaited if isinstance(found, Program) else frozenset()
            self._copies[fingerprint] = Copy(row["definition"], awaits)
        return self._found[fingerprint]

    def _keep(self, fingerprint: str, text: str) -> None:
        self._found[fingerprint] = parse(fingerprint, text)
        while len(self._found) > CAPACITY:
            forgotten, _ = self._found.popitem(last=False)
            self._copies.pop(forgotten, None)
            self._kept.pop(forgotten, None)

    @property
    def copies(self) -> Mapping[str, Copy]:
        """Current definitions that no committed pause has kept for an hour."""
        return self._copies

    def kept(self, plans: Iterable[Plan]) -> None:
        """Note that these plans are committed, and with them the definitions they paused with."""
        for plan in plans:
            if plan.runs_on is not None and self._copies.pop(plan.runs_on, None) is not None:
                self._kept[plan.runs_on] = monotonic()


def parse(fingerprint: str, text: str) -> Found:
    """Read a definition's text as something to run, or as the reason why it cannot be."""
    try:
        return Program(fingerprint, normalise(load(text)))
    except (Refused, ValueError) as error:
        return Unusable(f"definition refused: {error}")


def _needs_current(claimed: Claimed) -> bool:
    if claimed.status == "pending" or claimed.to_find:
        return True
    return claimed.status == "paused" and claimed.pause is not None and not claimed.pause.definition
