"""The role of the session: what binds it, and whether row-level security hides rows from it.

A table with hidden rows looks empty. Executions would seem deleted, and their decisions would be
settled as orphans. Therefore a policy that may hide rows is an error before anything is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from resumer_daemon.errors import ContractError, NotAllowed
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.statements import load


@dataclass(frozen=True, slots=True)
class Role:
    """The role of a session.

    `unbound`: it is a superuser or has BYPASSRLS. `filtered`: row-level security applies to it.
    `hiding`: the tables where policies may hide rows from it.
    """

    name: str
    unbound: bool
    filtered: bool
    hiding: Sequence[str]

    def require_visible_rows(self) -> None:
        """Raise `ContractError` if a policy may hide rows from the role."""
        if self.hiding:
            raise ContractError(
                f"row-level security may hide rows of {', '.join(self.hiding)} from role"
                f" {self.name}: run `resumer-daemon migrate grants` and make it a member of"
                " resumer_daemon, or CREATE POLICY ... USING (true) WITH CHECK (true) for it"
            )

    def require_limited_rights(self) -> None:
        """Raise `NotAllowed` if the role is a superuser or has BYPASSRLS."""
        if self.unbound:
            raise NotAllowed(
                f"role {self.name} is a superuser or has BYPASSRLS: use a role that is a member of"
                " resumer_daemon (`resumer-daemon migrate grants`),"
                " or set RESUMER_ALLOW_SUPERUSER=true"
            )


async def read_role(connection: Connection, schema: str) -> Role:
    """Return the role of the connection."""
    cursor = connection.cursor(row_factory=class_row(Role))
    await cursor.execute(load("service_schema.read_role"), {"schema": schema})
    role = await cursor.fetchone()
    if role is None:
        raise LookupError("service_schema.read_role returned no row")
    return role
