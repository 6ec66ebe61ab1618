"""A cache of workflow definitions, found by the fingerprint of their text.

A definition is parsed once, because the text of a fingerprint never changes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set
from time import monotonic
from typing import Any, Final
from uuid import UUID

from resumer_daemon.engine.inputs import ClaimedExecution
from resumer_daemon.engine.plan import DefinitionCopy, PinnedDefinition, Plan
from resumer_daemon.engine.planner import Definitions, Found, InvalidDefinition
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import load

CAPACITY: Final = 1_000
"""Definitions that are cached."""

STORE_INTERVAL: Final = 3_600.0
"""Seconds until a definition in use is stored again. An unused one is deleted after days."""


class DefinitionCache:
    """A cache of parsed definitions, and the texts of those that may not be stored yet."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._copies: dict[str, DefinitionCopy] = {}
        self._stored_at: dict[str, float] = {}

    async def load_definitions(
        self, session: Session, batch: Sequence[ClaimedExecution]
    ) -> Definitions:
        """Return the definitions that these executions may run on. Read those not cached."""
        hashes = {c.pause.definition for c in batch if c.pause and c.pause.definition}
        await self._read(session, hashes)
        current = {c.workflow for c in batch if c.workflow and _needs_current(c)}
        return Definitions(
            {h: self._found[h] for h in hashes if h in self._found},
            await self._current(session, current),
        )

    async def pinned(self, session: Session, fingerprint: str) -> Found:
        """Return the definition with this fingerprint."""
        await self._read(session, {fingerprint})
        return self._found.get(
            fingerprint, InvalidDefinition("the copy of its definition was deleted")
        )

    async def _read(self, session: Session, hashes: Set[str]) -> None:
        missing = [h for h in hashes if not isinstance(self._found.get(h), PinnedDefinition)]
        if not missing:
            return
        for row in await session.fetch_all(
            "definition_cache.read_definitions", {"hashes": array(missing)}
        ):
            self._add(row["sha256"], row["definition"])

    async def _current(self, session: Session, workflows: Iterable[UUID]) -> dict[UUID, Found]:
        ids = list(workflows)
        if not ids:
            return {}
        rows = await session.fetch_all("definition_cache.read_workflows", {"ids": array(ids)})
        return {row["id"]: self._use(row) for row in rows}

    def _use(self, row: Mapping[str, Any]) -> Found:
        fingerprint: str = row["sha256"]
        if fingerprint not in self._found:
            self._add(fingerprint, row["definition"])
        if monotonic() - self._stored_at.get(fingerprint, -STORE_INTERVAL) >= STORE_INTERVAL:
            found = self._found[fingerprint]
            awaits = (
                found.definition.awaited if isinstance(found, PinnedDefinition) else frozenset()
            )
            self._copies[fingerprint] = DefinitionCopy(row["definition"], awaits)
        return self._found[fingerprint]

    def _add(self, fingerprint: str, text: str) -> None:
        self._found[fingerprint] = parse(fingerprint, text)
        while len(self._found) > CAPACITY:
            dropped, _ = self._found.popitem(last=False)
            self._copies.pop(dropped, None)
            self._stored_at.pop(dropped, None)

    @property
    def copies(self) -> Mapping[str, DefinitionCopy]:
        """Current definitions that no committed pause has stored for an hour."""
        return self._copies

    def mark_stored(self, plans: Iterable[Plan]) -> None:
        """Note that plans are committed, and with them the definitions they paused with."""
        for plan in plans:
            if (
                plan.definition_sha256 is not None
                and self._copies.pop(plan.definition_sha256, None) is not None
            ):
                self._stored_at[plan.definition_sha256] = monotonic()


def parse(fingerprint: str, text: str) -> Found:
    """Parse the text of a definition, or return why it is invalid."""
    try:
        return PinnedDefinition(fingerprint, parse_definition(load(text)))
    except (DefinitionError, ValueError) as error:
        return InvalidDefinition(f"definition refused: {error}")


def _needs_current(claimed: ClaimedExecution) -> bool:
    if claimed.status == "pending" or claimed.needs_position:
        return True
    return claimed.status == "paused" and claimed.pause is not None and not claimed.pause.definition
