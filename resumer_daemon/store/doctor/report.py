"""Run all checks of `doctor`, sorted so that the first error explains the rest.

The list is in its own module, so that each family of checks can be read alone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

import psycopg
from psycopg import sql

from resumer_daemon.config import Settings
from resumer_daemon.errors import NoServiceSchema
from resumer_daemon.store.connection import connect
from resumer_daemon.store.connection import settings as session_settings
from resumer_daemon.store.doctor import activity, schema, server
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, error
from resumer_daemon.store.migration_history import read_history
from resumer_daemon.store.service_schema import require_schema
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
        error(
            "migrations",
            "the database is not migrated",
            "the daemon waits until it is",
            "resumer-daemon migrate up",
        )
    ]


async def _no_schema(context: CheckContext) -> Sequence[CheckResult]:
    return [
        error(
            "service schema",
            str(NoServiceSchema(context.schema)).partition(":")[0],
            "the daemon waits until it does",
            "set RESUMER_SERVICE_SCHEMA to the schema of the service's tables",
        )
    ]


async def _families(context: CheckContext) -> Sequence[Family]:
    """Return all checks, or one that explains why most of the others make no sense."""
    try:
        await require_schema(context.connection, context.schema)
    except NoServiceSchema:
        return (*BEFORE_MIGRATION, _no_schema)
    with suppress(psycopg.errors.InsufficientPrivilege):  # then it is installed
        if not await read_history(context.connection):
            return (*BEFORE_MIGRATION, _not_migrated)
    return FAMILIES


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Return the results of all checks.

    Raises:
        NotAllowed: The role may not read the schema `resumer`.
        Unreachable: The database does not answer, or takes no writes.
    """
    found: list[CheckResult] = []
    async with await connect(settings.url, autocommit=True, name="resumer-doctor") as opened:
        context = CheckContext(opened, settings)
        denied: dict[str, str] = {}
        for family in await _families(context):
            try:
                found += await _run(family, context)
            except psycopg.errors.InsufficientPrivilege as failure:
                denied[family.__name__.removeprefix("check_").replace("_", " ")] = (
                    failure.diag.message_primary or str(failure)
                )
        if denied:
            found.append(_unread(denied, opened.info.user))
    return found


def _unread(denied: Mapping[str, str], role: str) -> CheckResult:
    """Return what the role may not read, as one result. `denied`: the message, by checks."""
    return error(
        "unread",
        f"{role} cannot check {', '.join(denied)}: {'; '.join(dict.fromkeys(denied.values()))}",
        "these checks read tables that only resumer_reader and the daemon may read",
        f"GRANT resumer_reader TO {sql.Identifier(role).as_string()}; (after `resumer-daemon"
        " migrate grants`)",
    )


async def _run(family: Family, context: CheckContext) -> Sequence[CheckResult]:
    """Run a family of checks in a bounded transaction; a check that fails is a result too.

    Raises psycopg's error if the role may not read what the checks read.
    """
    name = family.__module__.rpartition(".")[2]
    try:
        async with context.connection.transaction(force_rollback=True):
            await context.connection.execute(*session_settings(local=True))
            await context.connection.execute(load("doctor.limits"))
            return await family(context)
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.Error as error:
        detail = str(error).strip().partition("\n")[0]
        return [
            CheckResult(
                name, "error", f"could not be checked: {detail}", remedy="fix the errors above"
            )
        ]
