"""The existing service as it is today: it blocks where it should pause, in two transactions."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.harness.service import Service, insert

CONTEXT = {"order": {"total": 12_500}}


@dataclass(frozen=True, slots=True)
class Today:
    """What the service writes of one execution. `service` is the rest of its tables."""

    service: Service

    def running(self, workflow: UUID | None, **values: object) -> UUID:
        """Begin an execution, as the service does with its own."""
        return self.service.insert(
            "workflow_executions",
            workflow_id=workflow,
            execution_id=f"exec_{uuid4().hex}",
            **{"status": "running", "trigger_payload": Jsonb(CONTEXT)} | values,
        )

    def blocks(
        self, execution: UUID, connection: psycopg.Connection[Any] | None = None, **values: object
    ) -> None:
        """Write the whole row as completed and blocked, whatever it was before."""
        self.writes(execution, connection, **{"status": "completed", "result": "blocked"} | values)

    def writes(
        self, execution: UUID, connection: psycopg.Connection[Any] | None = None, **values: object
    ) -> None:
        """Write the whole row by its id, without a look at what is there."""
        row = {"context": Jsonb(CONTEXT), "error_message": None, "result": None} | values
        statement = (
            "UPDATE workflow_executions SET status = %s, result = %s, context = %s,"
            " completed_at = localtimestamp, duration_ms = 12, error_message = %s,"
            " paused_at = NULL, paused_reason = NULL, resume_data = NULL WHERE id = %s"
        )
        given = [row[n] for n in ("status", "result", "context", "error_message")]
        if connection is not None:
            connection.execute(statement, [*given, execution])
        else:
            self.service.database.run(statement, *given, execution)

    def asks(
        self,
        execution: UUID,
        connection: psycopg.Connection[Any] | None = None,
        status: str = "pending",
    ) -> str:
        """Create the approval, and return its key."""
        if connection is None:
            return self.service.approval(execution, status)
        request = f"appr_{uuid4().hex}"
        values = {"request_id": request, "execution_id": execution, "status": status}
        insert(connection, "approval_requests", values | self.service.owner)
        return request

    def ran(self, execution: UUID, step: str) -> None:
        """Record a step of its own."""
        self.service.insert(
            "step_executions",
            execution_id=execution,
            step_id=step,
            step_type="action",
            status="completed",
            completed_at="now",
        )
