"""Run all checks of `doctor`, in an order in which the first error explains the rest.

The list stands apart from the checks, so that each family of them can be read alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import psycopg

from resumer_daemon.config import Settings
from resumer_daemon.store.connection import connect
from resumer_daemon.store.connection import settings as ours
from resumer_daemon.store.doctor import activity, schema, server
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, broken
from resumer_daemon.store.migration_history import read_history
from resumer_daemon.store.statements import load

Family: TypeAlias = Callable[[CheckContext], Awaitable[Sequence[CheckResult]]]

FAMILIES: Sequence[Family] = (
    server.check_environment,
    server.check_connection,
    server.check_server,
    server.check_imposed_settings,
    schema.check_role,
    schema.check_tables,
    schema.check_sequences,
    schema.check_triggers,
    schema.check_foreign_triggers,
    schema.check_control_row,
    server.check_listening,
    activity.check_writers,
    activity.check_work,
)


BEFORE_MIGRATION: Sequence[Family] = (
    server.check_environment,
    server.check_connection,
    server.check_server,
    server.check_imposed_settings,
)
"""The checks that make sense in a database without the schema `resumer`."""


async def _not_migrated(_: CheckContext) -> Sequence[CheckResult]:
    return [
        broken(
            "migrations",
            "the database is not migrated",
            "the daemon waits until it is",
            "resumer-daemon migrate up",
        )
    ]


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Return what was found, family by family.

    Raises:
        Unreachable: The database does not answer, or takes no writes.
    """
    found: list[CheckResult] = []
    async with await connect(settings.url, autocommit=True, name="resumer-doctor") as opened:
        patient = CheckContext(opened, settings)
        families = FAMILIES if await read_history(opened) else (*BEFORE_MIGRATION, _not_migrated)
        for family in families:
            found += await _looked(family, patient)
    return found


async def _looked(family: Family, patient: CheckContext) -> Sequence[CheckResult]:
    """Look in a transaction of its own, bounded; what cannot be looked at is a finding too."""
    name = family.__module__.rpartition(".")[2]
    try:
        async with patient.connection.transaction(force_rollback=True):
            await patient.connection.execute(*ours(local=True))
            await patient.connection.execute(load("doctor.limits"))
            return await family(patient)
    except psycopg.Error as error:
        said = str(error).strip().partition("\n")[0]
        return [
            CheckResult(name, "error", f"could not be looked at: {said}", remedy="mend the above")
        ]
