"""The stand-in of the service: its statements, in its wrong orders, at the same time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from tests.beside.case import VERDICTS, Case
from tests.harness import Database
from tests.harness.service import allow, ask, block

Connection = psycopg.AsyncConnection[Any]
Work = Callable[[], Awaitable[None]]

DEFINITION = {"steps": [ask(on_false="refuse"), allow(), block()]}
LEVELS: tuple[LiteralString, ...] = (
    "BEGIN",
    "BEGIN",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
)
# seconds of a service are milliseconds here
DELAYS = (0.0, 0.0, 0.002, 0.006)

BLOCK = """
UPDATE workflow_executions SET status = 'completed', result = 'blocked', context = %s,
  completed_at = localtimestamp, duration_ms = 12, error_message = NULL,
  paused_at = NULL, paused_reason = NULL, resume_data = NULL
WHERE id = %s
"""


@dataclass(slots=True)
class StandIn:
    """One slot: plays one case after the other, each with several transactions open at once."""

    database: Database
    rng: random.Random
    owner: dict[str, Any]
    shared: UUID
    lines: list[Connection]

    async def play(self) -> Case:
        """Write all of one execution, and return what was committed."""
        cascades = self.rng.random() < 0.04
        workflow = await self._workflow() if cascades else self.shared
        case = Case(await self._begun(workflow), workflow)
        asking = self.lines[1 : 1 + self.rng.choice((1, 1, 1, 2))]
        works = [self._blocks(case), *(self._asks_and_decides(case, line) for line in asking)]
        if self.rng.random() < 0.25:  # somebody else decides too: his last write stays
            works.append(self._decides(case, self.lines[3]))
        if cascades:
            works.append(self._deletes(case))
        await asyncio.gather(*works)
        return case

    async def _workflow(self) -> UUID:
        return await insert(
            self.lines[0], "workflows", workflow_id=f"flow_{uuid4().hex}", version="1", name="flow",
            definition=Jsonb(DEFINITION), **self.owner,
        )  # fmt: skip

    async def _begun(self, workflow: UUID) -> UUID:
        return await insert(
            self.lines[0], "workflow_executions", workflow_id=workflow, status="running",
            execution_id=f"exec_{uuid4().hex}", trigger_payload=Jsonb({}), **self.owner,
        )  # fmt: skip

    async def _blocks(self, case: Case) -> None:
        line = self.lines[0]

        async def note_the_step() -> None:
            await insert(
                line, "step_executions", execution_id=case.execution, step_id="ask",
                step_type="action", status="completed", **self.owner,
            )  # fmt: skip

        async def block_it() -> None:
            await line.execute(BLOCK, [Jsonb({"order": 1}), case.execution])

        if self.rng.random() < 0.5:
            await self._transaction(line, note_the_step)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):  # blind: whatever is there meanwhile
            await self._transaction(line, block_it)
        if self.rng.random() < 0.05:

            async def cancel_it() -> None:
                await line.execute(
                    "UPDATE workflow_executions SET status = 'cancelled' WHERE id = %s",
                    [case.execution],
                )

            if await self._transaction(line, cancel_it):
                case.cancelled = True

    async def _asks_and_decides(self, case: Case, line: Connection) -> None:
        approval, born = uuid4(), self.rng.choice(("pending",) * 5 + ("approved", "rejected"))
        expires = self.rng.choice(("infinity", None, None, "soon"))

        async def ask_for_it() -> None:
            await insert(
                line, "approval_requests", id=approval, request_id=f"appr_{approval.hex}",
                execution_id=case.execution, status=born, approver_role="manager", **self.owner,
            )  # fmt: skip
            if expires == "soon":
                await line.execute(
                    "UPDATE approval_requests SET expires_at = clock_timestamp() AT TIME ZONE 'UTC'"
                    " + interval '20 ms' WHERE id = %s",
                    [approval],
                )
            elif expires is not None:
                await line.execute(
                    "UPDATE approval_requests SET expires_at = 'infinity' WHERE id = %s", [approval]
                )

        if not await self._transaction(line, ask_for_it):
            return
        case.approvals.append(approval)
        if born != "pending":
            case.decisions.append((approval, born))
        await self._decides(case, line)
        if self.rng.random() < 0.05:
            await self._pause()
            await line.execute("DELETE FROM approval_requests WHERE id = %s", [approval])

    async def _decides(self, case: Case, line: Connection) -> None:
        """Decide, perhaps otherwise a moment later, perhaps rolled back."""
        for _ in range(self.rng.choice((0, 1, 1, 1, 2))):
            await self._pause()
            if case.approvals:
                await self._decide(case, line, self.rng.choice(case.approvals))

    async def _decide(self, case: Case, line: Connection, approval: UUID) -> None:
        verdict = self.rng.choice(VERDICTS)
        silent = self.rng.random() < 0.03
        before: list[str] = []

        async def decide_it() -> None:
            if silent:
                await line.execute("SET LOCAL session_replication_role = replica")
            cursor = await line.execute(  # to know what the trigger sees
                "SELECT status FROM approval_requests WHERE id = %s FOR UPDATE", [approval]
            )
            before[:] = [status for (status,) in await cursor.fetchall()]
            await line.execute(
                "UPDATE approval_requests SET status = %s, decided_at = localtimestamp"
                " WHERE id = %s",
                [verdict, approval],
            )

        if await self._transaction(line, decide_it) and before and before != [verdict]:
            case.decisions.append((approval, verdict))
            if silent:
                case.silent.add(approval)

    async def _deletes(self, case: Case) -> None:
        await self._pause()
        line = self.lines[4]

        async def delete_it() -> None:
            await line.execute("DELETE FROM workflows WHERE id = %s", [case.workflow])

        if await self._transaction(line, delete_it):
            case.deleted = True

    async def _transaction(self, line: Connection, work: Work) -> bool:
        """Run it as a transaction that is open for a while; return whether it was committed."""
        await self._pause()
        level = self.rng.choice(LEVELS)
        rolled_back = self.rng.random() < 0.03
        while True:
            try:
                await line.execute(level)
                if level != "BEGIN":
                    await line.execute("SELECT 1 FROM workflow_executions LIMIT 1")  # its snapshot
                await self._pause()
                await work()
                await self._pause()
                await line.execute("ROLLBACK" if rolled_back else "COMMIT")
            except (errors.SerializationFailure, errors.DeadlockDetected):
                await line.execute("ROLLBACK")
                level = "BEGIN"
            except errors.ForeignKeyViolation:  # its execution is gone
                await line.execute("ROLLBACK")
                return False
            else:
                if not rolled_back:
                    return True
                rolled_back = False  # the service tries again

    async def _pause(self) -> None:
        await asyncio.sleep(self.rng.random() * self.rng.choice(DELAYS))


async def insert(line: Connection, table: str, **values: object) -> UUID:
    """Insert a row and return its id."""
    statement = psycopg.sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        psycopg.sql.Identifier(table),
        psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, values)),
        psycopg.sql.SQL(", ").join([psycopg.sql.Placeholder()] * len(values)),
    )
    cursor = await line.execute(statement, list(values.values()))
    row = await cursor.fetchone()
    assert row is not None
    identity: UUID = row[0]
    return identity
