"""Keeps the server's queue of notifications from filling up: writers must never fail because of it.

Somebody else's session that listens, and is idle in a transaction, has the server keep all of them.
"""

import structlog

from resumer_daemon.store.pool import Pool

log = structlog.get_logger()

FULL, FREE = 0.5, 0.1


class Relief:
    """Has triggers fall silent where the queue is half full, until it has all but emptied.

    What they leave is found by polling meanwhile. `notify` is what the settings say; a daemon that
    has not itself seen the queue half full leaves what an administrator wrote.
    """

    def __init__(self, pool: Pool, notify: str) -> None:
        self._pool = pool
        self._notify = notify
        self._spares = False

    async def beat(self) -> None:
        """Look once."""
        facts = {"full": FULL, "free": FREE, "spares": self._spares, "notify": self._notify}
        async with self._pool.session() as session, session.transaction():
            cursor = await session.run("spare_queue", facts)
            row = await cursor.fetchone()
        if row is None:
            raise LookupError("the queue has always a usage")
        usage, became = row["usage"], row["became"]
        self._spares = usage >= FULL or (self._spares and usage >= FREE)
        if became is not None:
            log.warning("notify_switched", notify=became, queue_usage=round(usage, 3))
