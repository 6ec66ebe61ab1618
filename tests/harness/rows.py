"""Rows of the service by themselves, on whatever vintage: for tests of the database alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from tests.harness.database import Database
from tests.harness.service import Service


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
        """What the column list of a statement ends in, to be one of this vintage."""
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
