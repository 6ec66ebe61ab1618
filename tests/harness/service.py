"""The writes of the service, its approval page and people with psql, in plain SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.harness.database import Database
from tests.harness.eventually import eventually_sync

Document = Mapping[str, Any]

ENDED = ("completed", "failed", "cancelled")


def ask(
    step: str = "ask", *, on_true: str | None = "release", on_false: str | None = None,
    on_timeout: str | None = None, execute: list[Document] | None = None, **requires: Any,
) -> Document:  # fmt: skip
    """Return a block that requires an approval."""
    given = {"on_true": on_true, "on_false": on_false, "on_timeout": on_timeout, "execute": execute}
    return {
        "id": step,
        "type": "action",
        "action": "block",
        "reason": f"{step} needs a person",
        "requires": {"type": "approval", "role": "manager", **requires},
        **{name: value for name, value in given.items() if value is not None},
    }


def allow(step: str = "release") -> Document:
    """Return a step that allows and ends the flow."""
    return {"id": step, "type": "action", "action": "allow"}


def block(step: str = "refuse") -> Document:
    """Return a step that blocks and ends the flow."""
    return {"id": step, "type": "action", "action": "block", "reason": f"{step}d"}


def insert(connection: psycopg.Connection[Any], table: str, values: Document) -> UUID:
    """Insert a row and return its id."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
    )
    row = connection.execute(statement, list(values.values())).fetchone()
    assert row is not None
    identity: UUID = row[0]
    return identity


@dataclass(frozen=True, slots=True)
class Service:
    """Another program on the same database. It calls nothing of ours but `resumer.start`."""

    database: Database

    def insert(self, table: str, **values: object) -> UUID:
        """Insert a row, in the only organisation where there are some, and return its id."""
        with self.database.connect() as connection:
            owner = {} if "organization_id" in values else self.owner
            return insert(connection, table, values | owner)

    @property
    def owner(self) -> dict[str, object]:
        """The organisation columns that each row of the service needs."""
        return {"organization_id": self.organization()} if self.database.vintage == "v5" else {}

    def organization(self) -> UUID:
        """Return the organisation of the newest vintage."""
        [(identity,)] = self.database.run("SELECT id FROM organizations")
        return UUID(str(identity))

    def workflow(
        self,
        *steps: Document,
        name: str = "flow",
        definition: object = None,
        organization: UUID | None = None,
    ) -> UUID:
        """Write a workflow of these steps, or of another definition whatever it is."""
        document = {"steps": list(steps)} if definition is None else definition
        owner = {} if organization is None else {"organization_id": organization}
        return self.insert(
            "workflows", workflow_id=name, version="1", name=name, definition=Jsonb(document),
            **owner,
        )  # fmt: skip

    def start(self, name: str = "flow", payload: object = None) -> UUID:
        """Start an execution as any program would."""
        [(identity,)] = self.database.run(
            "SELECT resumer.start(%s, %s)", name, Jsonb({} if payload is None else payload)
        )
        return UUID(str(identity))

    def paused(self, name: str = "flow", payload: object = None) -> UUID:
        """Start an execution and return it once it is paused."""
        execution = self.start(name, payload)
        self.until(execution, "paused")
        return execution

    def incident(self, name: str = "broken") -> UUID:
        """Start an execution that runs into an incident, because it goes round for ever."""
        log = {"type": "log", "message": "again"}
        self.workflow(
            {"id": "turn", "type": "execute", "execute": [log], "next": "turn"}, name=name
        )
        execution = self.paused(name)
        assert self.pause(execution)["incident"]["cause"] == "step_budget"
        return execution

    def until(self, execution: UUID, *statuses: str) -> dict[str, Any]:
        """Wait for one of these statuses and return the row."""
        eventually_sync(
            lambda: self.standing(execution)[0] in statuses,
            of=f"{execution} is one of {statuses}: {self.standing(execution)}",
        )
        return self.look(execution)

    def ended(self, execution: UUID) -> dict[str, Any]:
        """Wait for the end, with every request of it settled, and return the row."""
        row = self.until(execution, *ENDED)
        eventually_sync(
            lambda: not [r for r in self.requests(execution) if r[2] in (None, "held")],
            of=f"nothing is open or held: {self.requests(execution)}",
        )
        return row

    def standing(self, execution: UUID) -> tuple[str | None, str | None]:
        """Return status and pause reason: nothing that might be unreadable."""
        rows = self.database.run(
            "SELECT status, paused_reason FROM workflow_executions WHERE id = %s", execution
        )
        return (rows[0][0], rows[0][1]) if rows else (None, None)

    def look(self, execution: UUID) -> dict[str, Any]:
        """Return the execution's row as it is."""
        with self.database.connect(row_factory=dict_row) as connection:
            row = connection.execute(
                "SELECT * FROM workflow_executions WHERE id = %s", [execution]
            ).fetchone()
        return dict(row or {})

    def asked(self, execution: UUID) -> list[str]:
        """Return the pending approvals, oldest first."""
        rows = self.database.run(
            "SELECT request_id FROM approval_requests WHERE execution_id = %s"
            " AND status = 'pending' ORDER BY requested_at, request_id",
            execution,
        )
        return [request for (request,) in rows]

    def decide(
        self, request: str, status: str, approver: UUID | None = None, reason: str | None = None
    ) -> None:
        """Write a decision as a plain UPDATE."""
        self.database.run(
            "UPDATE approval_requests SET status = %s, approver_id = coalesce(%s, approver_id),"
            " decision_reason = %s, decided_at = now() WHERE request_id = %s",
            status,
            approver,
            reason,
            request,
        )

    def approval(self, execution: UUID | None, status: str, **values: object) -> str:
        """Insert an approval that no step asked for, and return its key."""
        request = f"appr_{uuid4().hex[:12]}"
        self.insert(
            "approval_requests",
            request_id=request,
            execution_id=execution,
            status=status,
            **values,
        )
        return request

    def steps(self, execution: UUID) -> list[str]:
        """Return the ids of the recorded steps, in their order, each with a mark if it failed."""
        rows = self.database.run(
            "SELECT step_id || CASE status WHEN 'failed' THEN '!' ELSE '' END"
            " FROM step_executions WHERE execution_id = %s ORDER BY completed_at, started_at",
            execution,
        )
        return [step for (step,) in rows]

    def requests(self, execution: UUID) -> list[tuple[str, str | None, str | None]]:
        """Return kind, decision and outcome of its requests, oldest first."""
        return [
            (kind, decision, outcome)
            for kind, decision, outcome in self.database.run(
                "SELECT kind, decision, outcome FROM resumer.requests"
                " WHERE execution_id = %s ORDER BY id",
                execution,
            )
        ]

    def decisions(self, execution: UUID) -> list[tuple[str | None, str | None]]:
        """Return decision and outcome of its decisions, oldest first."""
        return [
            (said, became) for kind, said, became in self.requests(execution) if kind == "approval"
        ]

    def pause(self, execution: UUID) -> dict[str, Any]:
        """Return the newest pause record."""
        with self.database.connect(row_factory=dict_row) as connection:
            row = connection.execute(
                "SELECT * FROM resumer.pauses WHERE execution_id = %s ORDER BY number DESC",
                [execution],
            ).fetchone()
        return dict(row or {})


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes rows, all of the same organisation where the vintage has such."""

    database: Database
    organization: UUID | None = None

    @classmethod
    def of(cls, database: Database) -> "Rows":
        """Write for the organisation that is there from the beginning, if the vintage has one."""
        return cls(database, Service(database).organization() if database.vintage == "v5" else None)

    def of_another_organization(self) -> "Rows":
        """Write for an organisation that nobody had before."""
        [(other,)] = self.database.run(
            "INSERT INTO organizations (name, slug) SELECT name, name"
            " FROM cast(gen_random_uuid() AS text) AS name RETURNING id"
        )
        return Rows(self.database, other)

    @property
    def column(self) -> str:
        """The end of the column list of a statement for this vintage."""
        return "" if self.organization is None else ", organization_id"

    @property
    def value(self) -> str:
        """What its list of values ends in."""
        return "" if self.organization is None else f", '{self.organization}'"

    def workflow(self, name: str, version: str = "1", **values: object) -> UUID:
        """Write a definition."""
        filled = {"name": name, "definition": Jsonb({"steps": []}), **values}
        return self._insert("workflows", workflow_id=name, version=version, **filled)

    def execution(self, status: str = "running") -> UUID:
        """Write an execution without a workflow."""
        return self._insert("workflow_executions", execution_id=str(uuid4()), status=status)

    def approval(
        self, execution: UUID | None = None, status: str = "pending", **values: object
    ) -> UUID:
        """Write an approval request."""
        filled = {"request_id": str(uuid4()), **values}
        return self._insert("approval_requests", execution_id=execution, status=status, **filled)

    def _insert(self, table: str, **values: object) -> UUID:
        mine: Mapping[str, Any] = (
            {} if self.organization is None else {"organization_id": self.organization}
        )
        return Service(self.database).insert(table, **mine, **values)


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
