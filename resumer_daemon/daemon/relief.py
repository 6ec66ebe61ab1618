"""Keeps the server's queue of notifications from filling up: writers must never fail because of it.

Somebody else's session that listens, and is idle in a transaction, has the server keep all of them.
"""

from collections.abc import Sequence

import structlog

from resumer_daemon.daemon.background import Facts, Row

log = structlog.get_logger()

FULL, FREE = 0.5, 0.1


class Relief:
    """Has triggers fall silent where the queue is half full, until it has all but emptied.

    What they leave is found by polling meanwhile. `notify` is what the settings say; a daemon that
    has not itself seen the queue half full leaves what an administrator wrote.
    """

    def __init__(self, notify: str) -> None:
        self._notify = notify
        self._spares = False

    def facts(self) -> Facts:
        """Return what the statement goes by."""
        return {"full": FULL, "free": FREE, "spares": self._spares, "notify": self._notify}

    def found(self, rows: Sequence[Row]) -> None:
        """Take how full the queue is, and whether triggers notify otherwise since."""
        for row in rows:
            usage, became = row["usage"], row["became"]
            self._spares = usage >= FULL or (self._spares and usage >= FREE)
            if became is not None:
                log.warning("notify_switched", notify=became, queue_usage=round(usage, 3))
