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


LOOKS = 20  # until it is paused, or is not
OLD_COPY = """
SELECT e.status, e.result, e.context, e.resume_data, e.completed_at, e.paused_at, e.paused_reason,
  e.resume_count, e.last_resumed_at
FROM workflow_executions e JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
WHERE e.id = %s AND e.status = 'paused'
"""
REWRITE = """
UPDATE workflow_executions SET status = %s, result = %s, context = %s, resume_data = %s,
  completed_at = %s, paused_at = %s, paused_reason = %s, resume_count = %s, last_resumed_at = %s
WHERE id = %s
"""

HOSTILE: LiteralString = """
SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Pacific/Chatham';
SET bytea_output = 'escape'; SET extra_float_digits = -15; SET transform_null_equals = on;
SET enable_indexscan = off; SET enable_nestloop = off; SET plan_cache_mode = 'force_custom_plan'
"""


@dataclass(slots=True)
class StandIn:
    """One slot: plays one case after the other, each with several transactions open at once.

    `unseen` are the lines on which a trigger has left something to the reconciler.
    """

    database: Database
    rng: random.Random
    owner: dict[str, Any]
    shared: UUID
    lines: list[Connection]
    unseen: set[Connection]

    async def play(self) -> Case:
        """Write all of one execution, and return what was committed."""
        cascades = self.rng.random() < 0.04
        workflow = await self._workflow() if cascades else self.shared
        case = Case(await self._begun(workflow), workflow)
        asking = self.lines[1 : 1 + self.rng.choice((1, 1, 1, 2))]
        works = [self._blocks(case), *(self._asks_and_decides(case, line) for line in asking)]
        if self.rng.random() < 0.25:  # somebody else decides too: his last write stays
            works.append(self._decides(case, self.lines[3]))
        if self.rng.random() < 0.1:
            works.append(self._decides_all(case, self.lines[4]))
        elif cascades:
            works.append(self._deletes(case))
        elif self.rng.random() < 0.2:
            works.append(self._writes_an_old_copy(case, self.lines[4]))
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
            self._decided(case, line, [(approval, born)])
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
            self._decided(case, line, [(approval, verdict)], silent=silent)

    def _decided(
        self,
        case: Case,
        line: Connection,
        decisions: list[tuple[UUID, str]],
        *,
        silent: bool = False,
    ) -> None:
        case.decisions += decisions
        if silent or line in self.unseen:
            case.silent |= {approval for approval, _ in decisions}

    async def _decides_all(self, case: Case, line: Connection) -> None:
        """Decide whatever it has by one statement."""
        await self._pause()
        verdict, changed = self.rng.choice(VERDICTS), list[UUID]()

        async def decide_all() -> None:
            cursor = await line.execute(
                "SELECT id, status FROM approval_requests WHERE execution_id = %s FOR UPDATE",
                [case.execution],
            )
            changed[:] = [a for a, status in await cursor.fetchall() if status != verdict]
            await line.execute(
                "UPDATE approval_requests SET status = %s, decided_at = localtimestamp"
                " WHERE execution_id = %s",
                [verdict, case.execution],
            )

        if await self._transaction(line, decide_all):
            self._decided(case, line, [(approval, verdict) for approval in changed])

    async def _writes_an_old_copy(self, case: Case, line: Connection) -> None:
        """Write back, a moment later, the whole row as it was while the execution was paused."""
        for _ in range(LOOKS):
            await asyncio.sleep(0.01)
            cursor = await line.execute(OLD_COPY, [case.execution])
            if (row := await cursor.fetchone()) is not None:
                break
        else:
            return
        await asyncio.sleep(self.rng.random() * 0.1)  # long enough to resume and end meanwhile

        async def write_it() -> None:
            status, result, context, data, *rest = row
            await line.execute(
                REWRITE, [status, result, Jsonb(context), Jsonb(data), *rest, case.execution]
            )

        if await self._transaction(line, write_it):
            case.rewritten = True

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
        self.unseen.discard(line)
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
