"""The ledger is kept for as long as the settings say; it is trimmed in small transactions."""

import structlog

from resumer_daemon.store.database import Database

log = structlog.get_logger()

SLICE = 2_000


class Ledger:
    """Walks the settled requests from the oldest on, a lap each beat."""

    def __init__(self, database: Database, retention: float) -> None:
        self._database = database
        self._retention = retention

    async def beat(self) -> None:
        """Delete what is kept no longer, of executions that have ended."""
        session = await self._database.session("resumer-ledger")
        trimmed = 0
        after: int | None = 0
        async with session.connection:
            while after is not None:
                place = {"after": after, "limit": SLICE, "seconds": self._retention}
                async with session.transaction():
                    cursor = await session.run("trim_requests", place)
                    row = await cursor.fetchone()
                after = None if row is None else row["last"]
                trimmed += 0 if row is None else row["trimmed"]
        if trimmed:
            log.info("ledger_trimmed", requests=trimmed)
