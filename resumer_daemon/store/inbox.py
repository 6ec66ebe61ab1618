"""The queues of requests and events: status, event fan-out, orphaned requests, NOTIFY.

The daemon calls these functions between batches.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import UNBOUNDED
from resumer_daemon.store.session import Session

EVENTS_AT_ONCE: Final = 100

SEARCHED_AT_ONCE: Final = 1_000
"""Events of the service's table that one search reads."""

DISCARDED_AT_ONCE: Final = 2_000
"""Events of the queue that `discard_events` reads at once."""

ALL_WAITS: Final = 2**32
"""Hashes that the id of an execution may have; an event goes to all of them at once."""


@dataclass(frozen=True, slots=True)
class ScanBounds:
    """The bounds of a scan, which skip index entries that an old snapshot keeps.

    Requests that became due up to `back` seconds ago are counted, leases and notifications up to
    `around` seconds. Events count from the id after `after`. Timers count that become due in the
    next `within` seconds.
    """

    within: float
    back: float = UNBOUNDED
    around: float = UNBOUNDED
    after: int = 0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The state of the queues, within `bounds`.

    Attributes:
        left: due requests that were not claimed, at most 1,000.
        next_due: seconds until a timer is due, None if none is within the bounds.
        events: whether events wait to become requests.
        searches: whether a type's earlier events must be searched in the service's table.
        leases: whether leases have expired.
        next_message: seconds until a notification is due, None if none is within the bounds.
        suppressed_for: seconds for which a daemon suppresses NOTIFY, None if none does.
        ahead: whether the server's clock has gone back.
        newest: the transaction id that comes next.
        oldest: the oldest transaction id that is still open.
        newest_id: the last id that a request or an event got.
        took: seconds that the server needed.
    """

    left: int
    next_due: float | None
    events: bool
    searches: bool
    leases: bool
    next_message: float | None
    suppressed_for: float | None
    ahead: bool
    newest: int
    oldest: int
    newest_id: int = 0
    took: float = 0.0
    bounds: ScanBounds = field(default_factory=lambda: ScanBounds(0.0))

    @property
    def found(self) -> int:
        """The amount of work that is due now."""
        return self.left + self.events + self.leases + self.message_due

    @property
    def message_due(self) -> bool:
        """True if a notification is due now."""
        return self.next_message is not None and self.next_message <= 0.0


async def send_status_query(
    session: Session, bounds: ScanBounds, without: Sequence[UUID]
) -> AsyncCursor[DictRow]:
    """Send the statement; `read_queue_status` fetches its row after the commit.

    Both go in one pipeline with the batch. `without` are the executions that the claim skips.
    """
    return await session.run(
        "inbox.read_queue_status", {**asdict(bounds), "without": array(without)}
    )


async def read_queue_status(cursor: AsyncCursor[DictRow], bounds: ScanBounds) -> QueueStatus:
    """Fetch the row of `send_status_query`."""
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("inbox.read_queue_status returned no row")
    return QueueStatus(**row, bounds=bounds)


async def follow_clock(session: Session) -> int:
    """Move due times into the past after the clock went back; return the number of requests."""
    async with session.transaction():
        cursor = await session.run("inbox.follow_clock")
    return cursor.rowcount


async def suppress_notify(session: Session) -> None:
    """Suppress NOTIFY for a second from now, because this daemon polls."""
    async with session.transaction():
        await session.run("inbox.suppress_notify")


async def restore_notify(session: Session) -> None:
    """Let triggers notify again."""
    async with session.transaction():
        await session.run("inbox.restore_notify")


async def settle_orphans(session: Session, back: float) -> list[tuple[str, str]]:
    """Settle due requests whose execution does not exist; return their kinds and outcomes.

    Only requests that became due in the last `back` seconds are read.
    """
    async with session.transaction():
        await session.require_visible_rows()
        rows = await session.fetch_all("inbox.settle_orphans", {"back": back})
        return [(row["kind"], row["outcome"]) for row in rows]


async def fail_requests(session: Session, execution: UUID, why: str) -> None:
    """Settle an execution's due requests as failed, if no incident can be written."""
    await session.run("inbox.fail_requests", {"id": execution, "why": why})


async def search_events(session: Session) -> bool:
    """Search a slice of the events that came before their type was registered.

    Return whether a type had to be searched.
    """
    async with session.transaction():
        facts = {"timezone": session.timezone, "limit": SEARCHED_AT_ONCE}
        cursor = await session.run("inbox.search_events", facts)
    return cursor.rowcount > 0


async def discard_events(session: Session, after: int) -> int:
    """Delete queued events that no execution waits for and that start no workflow.

    Begin after the id `after`. Return the number of deleted events.
    """
    async with session.transaction():
        facts = {
            "timezone": session.timezone,
            "search_path": session.service_path.path,
            "after": after,
            "limit": DISCARDED_AT_ONCE,
        }
        discarded: int = (await session.fetch_one("inbox.discard_events", facts))["discarded"]
    return discarded


async def fan_out_events(
    session: Session, *, route: bool, most: int, width: int = ALL_WAITS, after: int = 0
) -> list[str | None]:
    """Turn due events into requests for the executions that wait; return the events' outcomes.

    Take the `most` oldest events after the id `after`. Each goes to the executions of the next
    `width` hashes. Its outcome is None until it went to all. With `route`, also start the workflows
    that an event triggers.

    There are two transactions. A pause that is recorded between them finds the keys of the events.
    A pause that was recorded earlier is found by the second one.
    """
    async with session.transaction():
        rows = await session.fetch_all("inbox.insert_event_keys", {"limit": most, "after": after})
        keyed = [row["id"] for row in rows]
    if not keyed:
        return []
    async with session.transaction():
        facts = {
            "route": route,
            "timezone": session.timezone,
            "search_path": session.service_path.path,
            "captured": array(keyed),
            "width": width,
        }
        rows = await session.fetch_all("inbox.fan_out_events", facts)
        return [row["outcome"] for row in rows]
