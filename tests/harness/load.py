"""Decisions that go on while something breaks, and the check that each counted exactly once."""

import random
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Self
from uuid import UUID

import psycopg

from tests.harness.eventually import eventually_sync
from tests.harness.service import Service

SEED = 20_260_131
RESULTS = {"approved": "allowed", "rejected": "blocked"}

UNPAUSED = "SELECT id FROM workflow_executions WHERE status <> 'paused'"
UNFINISHED = """
SELECT id::text FROM workflow_executions WHERE status <> 'completed'
UNION ALL
SELECT id::text FROM resumer.requests WHERE outcome IS NULL OR outcome = 'held'
"""
ENDS = """
SELECT e.id, e.result, e.resume_count,
  ARRAY(SELECT s.step_id FROM step_executions s WHERE s.execution_id = e.id
    ORDER BY s.completed_at, s.step_id),
  ARRAY(SELECT r.decision || ' ' || r.outcome FROM resumer.requests r
    WHERE r.execution_id = e.id AND r.kind = 'approval' ORDER BY r.id)
FROM workflow_executions e
"""


class Load:
    """Pauses executions, then decides one after the other in the background.

    A writer that loses its connection writes again, as a program would; what was committed though
    it did not hear so is written twice, which must not count twice.
    """

    def __init__(self, service: Service, size: int) -> None:
        self._service = service
        self._chance = random.Random(SEED)  # noqa: S311
        self._executions = [service.start() for _ in range(size)]
        self._said: dict[UUID, str] = {}
        self._written = 0
        self._ending = Event()
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        eventually_sync(lambda: self._service.database.run(UNPAUSED) == [], 60)
        self._writing = self._thread.submit(self._write)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.shutdown()

    def wait_for(self, share: int) -> None:
        """Wait until so many decisions are written."""
        eventually_sync(lambda: self._written >= share, of=f"{share} decisions are written")

    def check(self) -> None:
        """Wait for the end of all, and check that each decision counted once and exactly once."""
        eventually_sync(lambda: self._written == len(self._executions), 60)
        eventually_sync(lambda: self._service.database.run(UNFINISHED) == [], 60)
        for execution, *found in self._service.database.run(ENDS):
            said = self._said.pop(execution)
            steps = ["ask", "release"] if said == "approved" else ["ask"]
            assert found == [RESULTS[said], 1, steps, [f"{said} applied"]]
        assert not self._said

    def _write(self) -> None:
        for execution in self._executions:
            self._said[execution] = self._chance.choice(list(RESULTS))
            while not self._ending.is_set() and not self._decided(execution):
                self._ending.wait(0.02)
            self._written += 1

    def _decided(self, execution: UUID) -> bool:
        try:
            self._service.database.run(
                "UPDATE approval_requests SET status = %s WHERE execution_id = %s"
                " AND status = 'pending'",
                self._said[execution],
                execution,
            )
        except psycopg.OperationalError:
            return False
        return True
