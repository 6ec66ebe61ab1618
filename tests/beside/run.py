"""Play many cases at once beside daemons, and look at what has become of them."""

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial

from psycopg import errors
from psycopg.errors import Diagnostic

from tests.beside.case import Case
from tests.beside.checker import violations
from tests.beside.standin import DEFINITION, HOSTILE, Connection, StandIn
from tests.harness import Database
from tests.harness.eventually import eventually_sync
from tests.harness.running import running
from tests.harness.service import Service

SLOTS, LINES = 8, 5
REFUSED = "01000"  # a plain warning: a blind write changed nothing
LOCKED = errors.LockNotAvailable.sqlstate
LOCKS = (
    0.05,
    0.3,
)  # seconds that somebody keeps the inbox locked: also for longer than a trigger waits
RESTS = (0.5, 2.0)


def play(
    database: Database, count: int, seed: int, warnings: list[str], slots: int = SLOTS
) -> list[Case]:
    """Play so many cases, each slot with a seed of its own; `warnings` is filled."""
    service = Service(database)
    shared = service.workflow(definition=DEFINITION)

    unseen: set[Connection] = set()

    def heard(line: Connection, said: Diagnostic) -> None:
        """No trigger of ours may fail; what it refuses it says under a code of its own."""
        text = said.message_primary or ""
        if text.startswith("resumer:") and said.sqlstate == LOCKED:
            unseen.add(line)
        elif text.startswith("resumer:") and said.sqlstate != REFUSED:
            warnings.append(f"{said.sqlstate} {text}")

    async def slot(number: int) -> list[Case]:
        rng = random.Random(f"{seed}.{number}")  # noqa: S311
        async with AsyncExitStack() as stack:
            lines = [
                await stack.enter_async_context(await database.aconnect()) for _ in range(LINES)
            ]
            for line in lines:
                line.add_notice_handler(partial(heard, line))
                if rng.random() < 0.5:
                    await line.execute(HOSTILE)
            stand_in = StandIn(database, rng, service.owner, shared, lines, unseen)
            return [await stand_in.play() for _ in range(count // slots)]

    async def all_slots() -> list[Case]:
        locks = asyncio.create_task(_locks(database, random.Random(seed)))  # noqa: S311
        played = await asyncio.gather(*(slot(number) for number in range(slots)))
        locks.cancel()
        await asyncio.gather(locks, return_exceptions=True)
        return [case for cases in played for case in cases]

    return asyncio.run(all_slots())


async def _locks(database: Database, rng: random.Random) -> None:
    """Lock the inbox now and then, as a DBA would who changes something."""
    async with await database.aconnect() as connection:
        while True:
            await asyncio.sleep(rng.uniform(*RESTS))
            async with connection.transaction():
                await connection.execute("LOCK TABLE resumer.resume_requests IN SHARE MODE")
                await asyncio.sleep(rng.uniform(*LOCKS))


def run(
    database: Database, count: int, seed: int, slots: int = SLOTS
) -> tuple[list[Case], list[str]]:
    """Play beside daemons; return the cases, and what does not hold once it is quiet."""
    warnings: list[str] = []
    with running(database, log_level="warning"), running(database, log_level="warning"):
        cases = play(database, count, seed, warnings, slots)
        try:
            eventually_sync(lambda: not violations(cases, database), timeout=30.0)
        except AssertionError:
            return cases, violations(cases, database) + warnings
    return cases, warnings
