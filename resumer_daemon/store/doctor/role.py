"""As whom we are connected: what that role lacks, what it has too much, what is hidden from it."""

from collections.abc import Sequence

from psycopg import sql

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.grants import lacks
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.statements import load


async def check_role(patient: Patient) -> Sequence[Finding]:
    """Look at the role, its rights, the policies, and whose rights our functions have."""
    role = await read_role(patient.connection, patient.schema)
    return [
        _bounds(role, allowed=patient.settings.allow_superuser),
        _sight(role),
        *await _rights(patient, role),
        await _functions(patient),
        await _creators(patient),
    ]


def _bounds(role: Role, *, allowed: bool) -> Finding:
    if not role.unbound:
        return well("role", f"{role.name} is bound by its rights")
    return Finding(
        "role",
        "warning" if allowed else "error",
        f"{role.name} is a superuser or has BYPASSRLS",
        "who takes over the daemon takes over the server; `run` refuses it unless told",
        "CREATE ROLE resumer LOGIN IN ROLE resumer_daemon (after `resumer-daemon migrate grants`)",
    )


def _sight(role: Role) -> Finding:
    if not role.hiding:
        return well("row-level security", "hides nothing from us")
    return broken(
        "row-level security",
        f"may hide rows of {', '.join(role.hiding)}",
        "what is hidden looks deleted; the daemon does nothing while that is so",
        "resumer-daemon migrate grants",
    )


async def _rights(patient: Patient, role: Role) -> Sequence[Finding]:
    lacking = await lacks(patient.connection, patient.schema, role.name)
    if not lacking:
        return [well("privileges", f"{role.name} has all that is needed")]
    return [
        broken(
            "privileges",
            f"{role.name} has no {lack.what}",
            "the statement that needs it fails, again and again",
            f"{lack.statement};",
        )
        for lack in lacking
    ]


async def _functions(patient: Patient) -> Finding:
    cursor = await patient.connection.execute(load("doctor_functions"))
    owners = [owner for (owner,) in await cursor.fetchall()]
    if not owners:
        return well("functions", "run with the rights of a role that is bound")
    return warning(
        "functions",
        f"run with the rights of {', '.join(owners)}",
        "they need less: a fault in one of them should not have the rights of a superuser",
        "resumer-daemon migrate grants",
    )


async def _creators(patient: Patient) -> Finding:
    cursor = await patient.connection.execute(load("doctor_creators"), {"schema": patient.schema})
    creators = [creator for (creator, _) in await cursor.fetchall()]
    if not creators:
        return well("creators", f"only the owner may create in schema {patient.schema}")
    named = ", ".join(creators)
    schema = sql.Identifier(patient.schema).as_string()
    from_whom = ", ".join(c if c == "PUBLIC" else sql.Identifier(c).as_string() for c in creators)
    return warning(
        "creators",
        f"{named} may create objects in schema {patient.schema}",
        "an operator or function created there can be called by the service's own statements and"
        " triggers, with their rights; the daemon's own statements do not look there",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {from_whom};",
    )
