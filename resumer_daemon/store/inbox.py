"""The queue of requests: its status, event fan-out, orphaned requests, NOTIFY suppression."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.session import Session

EVENTS_AT_ONCE: Final = 100

SEARCHED_AT_ONCE: Final = 1_000
"""So many events of the service's table one search looks at."""

DISCARDED_AT_ONCE: Final = 2_000
"""So many events that nobody waits for are taken from the queue at once."""

ALL_WAITS: Final = 2**32
"""The hashes that the id of an execution may have: an event is handed over to so many at once."""


@dataclass(frozen=True, slots=True)
class ScanBounds:
    """The bounds of a scan, which skip index entries that an old snapshot keeps.

    `back`: how many seconds ago what is due became due, at most; `around`: the same of leases and
    notifications. `after`: the id behind which events are looked for. `within`: for how many
    seconds to look ahead.
    """

    within: float
    back: float = ALL
    around: float = ALL
    after: int = 0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """`left`: due requests that were not claimed, at most 1,000.

    `next_due`: seconds until a timer is due, None if none is within the bounds.
    `events`: some wait to be made requests of; `searches`: some are to be searched in the service's
    table. `leases`: some are past. `next_message`:
    seconds until a notification is due, None as with timers. `awake_for`: for how many
    seconds a daemon says that it is awake, None if none does; `newest` is the transaction id that
    comes next, `oldest` the first that is still open. `ahead`: the server's clock has gone back.
    `newest_id`: the last id that a request or an event got. `took`: the seconds of the server.
    `bounds`: how far it went.
    """

    left: int
    next_due: float | None
    events: bool
    searches: bool
    leases: bool
    next_message: float | None
    awake_for: float | None
    ahead: bool
    newest: int
    oldest: int
    newest_id: int = 0
    took: float = 0.0
    bounds: ScanBounds = field(default_factory=lambda: ScanBounds(0.0))

    @property
    def found(self) -> int:
        """Tell how much was found that is to be done now."""
        return self.left + self.events + self.leases + self.message_due

    @property
    def message_due(self) -> bool:
        """Tell whether a notification is due now."""
        return self.next_message is not None and self.next_message <= 0.0


async def send_status_query(
    session: Session, bounds: ScanBounds, without: Sequence[UUID]
) -> AsyncCursor[DictRow]:
    """Send the question; the answer is fetched after the commit, for it need not be waited for.

    `without` is what the claim has left alone.
    """
    return await session.run(
        "inbox.read_queue_status", {**asdict(bounds), "without": array(without)}
    )


async def read_queue_status(cursor: AsyncCursor[DictRow], bounds: ScanBounds) -> QueueStatus:
    """Fetch what `send_status_query` asked for, within these bounds."""
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the outlook has always one row")
    return QueueStatus(**row, bounds=bounds)


async def follow_clock(session: Session) -> int:
    """Move what says a time of a clock that has gone back since; return how many requests."""
    async with session.transaction():
        cursor = await session.run("inbox.follow_clock")
    return cursor.rowcount


async def suppress_notify(session: Session) -> None:
    """Say that we look without being told, for a second from now."""
    async with session.transaction():
        await session.run("inbox.suppress_notify")


async def restore_notify(session: Session) -> None:
    """Say that we want to be told again."""
    async with session.transaction():
        await session.run("inbox.restore_notify")


async def settle_orphans(session: Session, back: float) -> list[tuple[str, str]]:
    """Settle due requests that no execution will ever answer for; return kinds and outcomes.

    They became due so many seconds ago at most.
    """
    async with session.transaction():
        await session.require_sight()
        cursor = await session.run("inbox.settle_orphans", {"back": back})
        return [(row["kind"], row["outcome"]) for row in await cursor.fetchall()]


async def fail_requests(session: Session, execution: UUID, why: str) -> None:
    """Fail the due requests of an execution of which nothing else can be written."""
    await session.run("inbox.fail_requests", {"id": execution, "why": why})


async def search_events(session: Session) -> bool:
    """Search a slice of the events that came before their type was registered.

    Return whether there was one to search.
    """
    async with session.transaction():
        facts = {"timezone": session.timezone, "limit": SEARCHED_AT_ONCE}
        cursor = await session.run("inbox.search_events", facts)
    return cursor.rowcount > 0


async def discard_events(session: Session, after: int) -> int:
    """Take from the queue what nobody waits for and what starts nothing; return how many events.

    It begins behind the id `after`.
    """
    async with session.transaction():
        facts = {
            "timezone": session.timezone,
            "search_path": session.service_path.path,
            "after": after,
            "limit": DISCARDED_AT_ONCE,
        }
        cursor = await session.run("inbox.discard_events", facts)
        row = await cursor.fetchone()
    return 0 if row is None else int(row["discarded"])


async def fan_out_events(
    session: Session, *, route: bool, most: int, width: int = ALL_WAITS, after: int = 0
) -> list[str | None]:
    """Make of due events requests for the executions that wait; return the events' outcomes.

    `most` is the number of events, the oldest first behind the id `after`. `width`: how many hashes
    of executions each of them is handed over to. An event has no outcome until it was handed over
    to all.

    Two transactions: a pause that is recorded between them finds the keys of the events, and one
    that is recorded earlier is found by the events. `route`: also start the workflows that an event
    triggers.
    """
    async with session.transaction():
        cursor = await session.run("inbox.insert_event_keys", {"limit": most, "after": after})
        keyed = [row["id"] for row in await cursor.fetchall()]
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
        cursor = await session.run("inbox.fan_out_events", facts)
        return [row["outcome"] for row in await cursor.fetchall()]
