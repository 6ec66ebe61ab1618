"""Read the queue's status beside a turn's claim: seldom, and within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from resumer_daemon.config import Settings
from resumer_daemon.daemon.horizon import Horizon, Trail
from resumer_daemon.store.inbox import Bounds, Outlook, answer, ask
from resumer_daemon.store.session import Session

BUSY_INTERVAL: Final = 0.1
"""How many seconds pass between two questions while every turn finds work."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was sent."""

    cursor: AsyncCursor[DictRow]
    bounds: Bounds
    began: float


class Lookout:
    """Asks for the outlook, and learns from each answer how far back the next one has to go."""

    def __init__(self, settings: Settings) -> None:
        self.horizon = Horizon()
        self._trail = Trail()
        # whoever sleeps looks again after so long: what is due later need not be known
        self._within = max(settings.poll_interval, settings.poll_only_interval)
        self._asked_at = 0.0
        self._found = False

    def wanted(self, claimed: Sequence[UUID]) -> bool:
        """Tell whether to ask after a turn: after one that found nothing; under load, seldom.

        Not after the first one that found something, because the next turn asks.
        """
        now = monotonic()
        if claimed and not self._found:
            self._asked_at = now
        self._found = bool(claimed)
        return not claimed or now - self._asked_at >= BUSY_INTERVAL

    async def ask(self, session: Session, back: float, without: Sequence[UUID]) -> Asked:
        """Send the question in an open transaction; its answer is fetched after the commit."""
        self._asked_at = began = monotonic()
        around = self.horizon.back()
        bounds = Bounds(self._within, back, around, self._trail.before(around))
        return Asked(await ask(session, bounds, without), bounds, began)

    async def answer(self, asked: Asked) -> Outlook:
        """Fetch the answer."""
        outlook = await answer(asked.cursor, asked.bounds)
        self._trail.saw(outlook.newest_id)
        self.horizon.looked(asked.bounds.around, asked.began, outlook.took, outlook.found)
        return outlook
