"""Who we are in the database: what binds us, and whether we see all that is there.

A policy that hides rows looks like an empty table: executions would seem deleted, and decisions for
them would be settled as orphans. So what may hide anything is an error, before anything is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from resumer_daemon.errors import ContractError, NotAllowed
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.statements import load


@dataclass(frozen=True, slots=True)
class Role:
    """The role of a session. `unbound`: a superuser, or one that no policy binds.

    `filtered`: row-level security is at work; `hiding`: the tables where it may hide rows from us.
    """

    name: str
    unbound: bool
    filtered: bool
    hiding: Sequence[str]

    def require_sight(self) -> None:
        """Raise ContractError where a policy may hide rows from us."""
        if self.hiding:
            raise ContractError(
                f"row-level security may hide rows of {', '.join(self.hiding)} from role"
                f" {self.name}: run `resumer-daemon migrate grants` and be a member of"
                " resumer_daemon, or CREATE POLICY ... USING (true) WITH CHECK (true) for it"
            )

    def require_bounds(self) -> None:
        """Raise NotAllowed where nothing binds us."""
        if self.unbound:
            raise NotAllowed(
                f"role {self.name} is a superuser or has BYPASSRLS: let the daemon be a member of"
                " resumer_daemon (`resumer-daemon migrate grants`),"
                " or say RESUMER_ALLOW_SUPERUSER=true"
            )


async def read_role(connection: Connection, schema: str) -> Role:
    """Return who we are there."""
    cursor = connection.cursor(row_factory=class_row(Role))
    await cursor.execute(load("service_schema.read_role"), {"schema": schema})
    role = await cursor.fetchone()
    if role is None:
        raise LookupError("whoever is connected has a role")
    return role
