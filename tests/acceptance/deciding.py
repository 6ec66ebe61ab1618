"""Programs that decide, each in manners of its own, and remember what they were told is done."""

import random
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from tests.harness import Database
from tests.harness.service import Service, insert

VERDICTS = ("approved", "rejected")

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision whose commit was acknowledged; `foreign` is what another program ran before."""

    execution: UUID
    approval: UUID
    verdict: str
    foreign: tuple[str, ...] | None = None


@dataclass(slots=True)
class Writer:
    """One program with one connection. What it rolls back it does not remember."""

    database: Database
    workflow: UUID
    chance: random.Random
    committed: list[Decision] = field(default_factory=list)
    owner: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.owner = Service(self.database).owner

    def decide(self, paused: Sequence[UUID], others: int) -> list[Decision]:
        """Decide these paused executions, and as many as told before they are paused."""
        work: list[UUID | None] = [*paused, *[None] * others]
        self.chance.shuffle(work)
        with self.database.connect() as connection:
            for group in self._groups(work):
                while self.chance.random() < 0.2:
                    with connection.transaction(force_rollback=True):
                        self._group(connection, group)
                with connection.transaction():
                    done = self._group(connection, group)
                self.committed += done
                for _ in range(group.count(None)):
                    self.committed.append(self._before_the_pause(connection))
        return self.committed

    def _groups(self, work: Sequence[UUID | None]) -> Iterator[Sequence[UUID | None]]:
        """Yield what goes into one transaction."""
        while work:
            size = self.chance.choice((1, 1, 1, 2, 5))
            yield work[:size]
            work = work[size:]

    def _group(self, connection: Connection, group: Sequence[UUID | None]) -> list[Decision]:
        """Decide: mostly by one UPDATE of all that are asked, else by rows that say so already."""
        done, asked = [], []
        for execution in group:
            if execution is not None and self.chance.random() < 0.3:
                done.append(self._insert(connection, execution, self.chance.choice(VERDICTS)))
            elif execution is not None:
                asked.append(execution)
        verdict = self.chance.choice(VERDICTS)
        cursor = connection.execute(
            "UPDATE approval_requests SET status = %s, decided_at = now()"
            " WHERE execution_id = ANY (%s) AND status = 'pending' RETURNING execution_id, id",
            [verdict, asked],
        )
        return done + [Decision(execution, approval, verdict) for execution, approval in cursor]

    def _insert(self, connection: Connection, execution: UUID, verdict: str) -> Decision:
        approval = self._add(
            connection,
            "approval_requests",
            request_id=f"appr_{self.chance.randbytes(6).hex()}",
            execution_id=execution,
            status=verdict,
        )
        return Decision(execution, approval, verdict)

    def _before_the_pause(self, connection: Connection) -> Decision:
        """Run an execution as another program would, decide it, and only then pause it."""
        together = self.chance.random() < 0.5
        with connection.transaction() if together else nullcontext():
            execution = self._add(
                connection,
                "workflow_executions",
                workflow_id=self.workflow,
                execution_id=f"exec_{self.chance.randbytes(6).hex()}",
                status="running",
                context='{"order": {"total": 500}}',
            )
            decision = self._insert(connection, execution, "pending")
            verdict = self.chance.choice(VERDICTS)
            connection.execute(
                "UPDATE approval_requests SET status = %s WHERE id = %s",
                [verdict, decision.approval],
            )
            foreign = self._pause(connection, execution)
        return Decision(execution, decision.approval, verdict, foreign)

    def _pause(self, connection: Connection, execution: UUID) -> tuple[str, ...]:
        """Pause with pointers, where they hold text, or with a history of steps that tells."""
        pointers = self.database.vintage != "v5" and self.chance.random() < 0.5
        if pointers:
            connection.execute(
                "UPDATE workflow_executions SET status = 'paused', paused_at = now(),"
                " paused_step_id = 'ask', next_step_id = 'release' WHERE id = %s",
                [execution],
            )
            return ()
        for step in ("check", "ask"):
            now = datetime.now(UTC).replace(tzinfo=None)
            self._add(
                connection,
                "step_executions",
                execution_id=execution,
                step_id=step,
                status="completed",
                started_at=now,
                completed_at=now,
            )
        connection.execute(
            "UPDATE workflow_executions SET status = 'paused' WHERE id = %s", [execution]
        )
        return ("check", "ask")

    def _add(self, connection: Connection, table: str, **values: object) -> UUID:
        return insert(connection, table, values | self.owner)
