"""What was settled is kept for as long as the settings say; it is trimmed in small transactions."""

from typing import Final

import structlog

from resumer_daemon.store.database import Database
from resumer_daemon.store.session import Session

log = structlog.get_logger()

SLICE: Final = 2_000


class Ledger:
    """Walks the settled requests, and the captured events, from the oldest on, a lap each beat."""

    def __init__(self, database: Database, retention: float) -> None:
        self._database = database
        self._retention = retention

    async def beat(self) -> None:
        """Delete what is kept no longer: of requests, those of executions that have ended."""
        session = await self._database.session("resumer-ledger")
        async with session.connection:
            requests = await self._trim(session, "trim_requests")
            events = await self._trim(session, "trim_events")
        if requests or events:
            log.info("ledger_trimmed", requests=requests, events=events)

    async def _trim(self, session: Session, statement: str) -> int:
        """Delete slice by slice; return how many rows were deleted."""
        trimmed = 0
        after: int | None = 0
        while after is not None:
            place = {"after": after, "limit": SLICE, "seconds": self._retention}
            async with session.transaction():
                cursor = await session.run(statement, place)
                row = await cursor.fetchone()
            after = None if row is None else row["last"]
            trimmed += 0 if row is None else row["trimmed"]
        return trimmed
