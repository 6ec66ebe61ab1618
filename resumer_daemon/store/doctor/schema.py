"""Checks of the schema: tables, triggers, roles, control row, sequences, triggers of others."""

from collections.abc import Iterable, Sequence

from psycopg import sql
from psycopg.rows import dict_row

from resumer_daemon.errors import ContractError
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, error, ok, warning
from resumer_daemon.store.grants import lacks
from resumer_daemon.store.migration_history import read_damage, read_history, unapplied
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.service_schema import probe
from resumer_daemon.store.statements import load
from resumer_daemon.store.triggers import GUARD, TRIGGERS, present

NAMED = 3
"""Missing rights that a result names each."""


async def check_tables(context: CheckContext) -> Sequence[CheckResult]:
    """Check the migrations, functions and views, and the columns of the service."""
    return [await _migrations(context), await _code(context), await _columns(context)]


async def _code(context: CheckContext) -> CheckResult:
    history = await read_history(context.connection)
    damage = await read_damage(context.connection, history, context.schema)
    if not damage:
        return ok("code", "functions and views exist as the migrations create them")
    return error(
        "code",
        ", ".join(dict.fromkeys(map(str, damage))),
        "calls fail, or do something else",
        "resumer-daemon migrate up",
    )


async def _migrations(context: CheckContext) -> CheckResult:
    missing = unapplied(await read_history(context.connection), context.schema)
    if not missing:
        return ok("migrations", "all are applied")
    return error(
        "migrations",
        f"not applied: {', '.join(missing)}",
        "the daemon does not start without them",
        "resumer-daemon migrate up",
    )


async def _columns(context: CheckContext) -> CheckResult:
    try:
        features = await probe(context.connection, context.schema)
    except ContractError as mismatch:
        return error(
            "columns",
            "; ".join(_mismatches(mismatch)),
            "the daemon cannot run without them",
            _remedy(mismatch),
        )
    absent = sorted(f.removeprefix("no_") for f in features if f.startswith("no_"))
    return ok("columns", "as required" + (f" (without {', '.join(absent)})" if absent else ""))


def _mismatches(error: ContractError) -> list[str]:
    """Return each mismatch once; a table without any of its columns is one."""
    absent: dict[str, list[str]] = {}
    for each in error.mismatches:
        if each.found is None:
            absent.setdefault(each.table, []).append(each.column)
    return list(
        dict.fromkeys(
            f"{each.table} has no {', '.join(absent[each.table])}"
            if each.found is None
            else str(each)
            for each in error.mismatches
        )
    )


def _remedy(mismatch: ContractError) -> str:
    remedies = "; ".join(m.remedy for m in mismatch.mismatches if m.remedy)
    return remedies or "resumer-daemon migrate up; else see RESUMER_SERVICE_SCHEMA"


async def check_triggers(context: CheckContext) -> Sequence[CheckResult]:
    """Check the triggers and the decision guard."""
    found = await present(context.connection, context.schema)
    silent = TRIGGERS - found.firing
    return [
        *([_missing(silent - found.disabled)] if silent - found.disabled else []),
        *([_disabled(silent & found.disabled)] if silent & found.disabled else []),
        *([] if silent else [ok("triggers", "all exist and are enabled")]),
        _guard(context, enabled=GUARD in found.firing),
    ]


def _missing(names: Iterable[str]) -> CheckResult:
    return error(
        "triggers",
        f"missing: {', '.join(sorted(names))}",
        "only the reconciler finds what they should capture, later",
        "resumer-daemon migrate up",
    )


def _disabled(names: Iterable[str]) -> CheckResult:
    """Warn only: an administrator may have disabled them for a change of the tables."""
    return warning(
        "triggers",
        f"disabled: {', '.join(sorted(names))}",
        "only the reconciler finds what they should capture, later, and writes by other programs"
        " over pauses are not rejected",
        "resumer-daemon migrate triggers on",
    )


def _guard(context: CheckContext, *, enabled: bool) -> CheckResult:
    enforced = context.settings.decision_guard == "enforce"
    if enforced == enabled:
        return ok("decision guard", f"RESUMER_DECISION_GUARD={context.settings.decision_guard}")
    return error(
        "decision guard",
        f"the trigger {'does not reject' if enforced else 'rejects'} approvals",
        "RESUMER_DECISION_GUARD says otherwise",
        "resumer-daemon migrate up",
    )


async def check_role(context: CheckContext) -> Sequence[CheckResult]:
    """Check the role, its rights and policies, and the rights of the SQL functions."""
    role = await read_role(context.connection, context.schema)
    return [
        _bounds(role, allowed=context.settings.allow_superuser),
        _sight(role),
        *await _rights(context, role),
        await _functions(context),
        await _creators(context),
    ]


def _bounds(role: Role, *, allowed: bool) -> CheckResult:
    if not role.unbound:
        return ok("role", f"{role.name} is not a superuser")
    return CheckResult(
        "role",
        "warning" if allowed else "error",
        f"{role.name} is a superuser or has BYPASSRLS",
        "an attacker who compromises the daemon would control the whole server; `run` refuses to"
        " start unless RESUMER_ALLOW_SUPERUSER is set",
        "CREATE ROLE resumer LOGIN IN ROLE resumer_daemon (after `resumer-daemon migrate grants`)",
    )


def _sight(role: Role) -> CheckResult:
    if not role.hiding:
        return ok("row-level security", "hides no rows from the daemon")
    return error(
        "row-level security",
        f"may hide rows of {', '.join(role.hiding)}",
        "hidden rows look deleted, so the daemon does not run",
        "resumer-daemon migrate grants",
    )


async def _rights(context: CheckContext, role: Role) -> Sequence[CheckResult]:
    lacking = await lacks(context.connection, context.schema, role.name)
    if not lacking:
        return [ok("privileges", f"{role.name} has all that the daemon needs")]
    first = ", ".join(lack.what for lack in lacking[:NAMED])
    if len(lacking) <= NAMED:
        why, remedy = "the daemon fails", " ".join(f"{lack.statement};" for lack in lacking)
    else:
        first += f" and {len(lacking) - NAMED} more rights of resumer_daemon"
        why = "`doctor` checks the rights of the daemon, which cannot run as this role"
        login = sql.Identifier(role.name).as_string()
        remedy = f"resumer-daemon migrate grants; then GRANT resumer_daemon TO {login};"
    return [error("privileges", f"{role.name} lacks {first}", why, remedy)]


async def _functions(context: CheckContext) -> CheckResult:
    cursor = await context.connection.execute(load("doctor.function_owners"))
    owners = [owner for (owner,) in await cursor.fetchall()]
    if not owners:
        return ok("functions", "run with the rights of a role that is not a superuser")
    return warning(
        "functions",
        f"run with the rights of {', '.join(owners)}",
        "they need less; a fault in one of them would have the rights of a superuser",
        "resumer-daemon migrate grants",
    )


async def _creators(context: CheckContext) -> CheckResult:
    cursor = await context.connection.execute(
        load("doctor.schema_creators"), {"schema": context.schema}
    )
    creators = [creator for (creator, _) in await cursor.fetchall()]
    if not creators:
        return ok("creators", f"only the owner may create in schema {context.schema}")
    named = ", ".join(creators)
    schema = sql.Identifier(context.schema).as_string()
    from_whom = ", ".join(c if c == "PUBLIC" else sql.Identifier(c).as_string() for c in creators)
    return warning(
        "creators",
        f"{named} may create objects in schema {context.schema}",
        "an operator or function created there can be called by the service's own statements and"
        " triggers, with their rights; the daemon's own statements do not use that schema",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {from_whom};",
    )


async def check_control_row(context: CheckContext) -> Sequence[CheckResult]:
    """Compare the control row with the settings."""
    cursor = context.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor.control"))
    row = await cursor.fetchone()
    if row is None:
        return [
            error(
                "control row",
                "is missing",
                "triggers do not notify and SQL functions fail",
                "INSERT INTO resumer.control DEFAULT VALUES;",
            )
        ]
    settings = context.settings
    wanted = (
        settings.notify,
        settings.service_timezone,
        settings.decision_guard,
        settings.closed_status,
        str(settings.document_bytes),
        settings.event_capture,
        str(settings.adopt_within),
    )
    names = (
        "notify",
        "service_timezone",
        "decision_guard",
        "closed_status",
        "document_bytes",
        "event_capture",
        "adopt_within",
    )
    written = tuple(str(row[name]) for name in names)
    return [_row(wanted, written, row["daemons"]), await _two_phase(context, row["notify"])]


def _row(wanted: tuple[str, ...], written: tuple[str, ...], daemons: int) -> CheckResult:
    if wanted == written:
        return ok(
            "control row",
            f"matches the settings; registered daemons: {daemons}",
        )
    return warning(
        "control row",
        f"has {', '.join(written)}; these settings have {', '.join(wanted)}",
        "the settings of the daemon that started last apply to all",
        "start all daemons with the same settings",
    )


async def _two_phase(context: CheckContext, notify: str) -> CheckResult:
    cursor = await context.connection.execute(load("doctor.two_phase"))
    row = await cursor.fetchone()
    if row == (0,) or notify == "off":
        return ok("two-phase commit", f"is compatible with RESUMER_NOTIFY={notify}")
    if notify == "on":
        return error(
            "two-phase commit",
            "is enabled, and RESUMER_NOTIFY=on",
            "a transaction that has written a decision cannot be prepared",
            "RESUMER_NOTIFY=auto",
        )
    return warning(
        "two-phase commit",
        "is enabled, so triggers do not notify (RESUMER_NOTIFY=auto)",
        "the daemon finds decisions by polling, up to RESUMER_POLL_INTERVAL later",
        "ALTER SYSTEM SET max_prepared_transactions = 0 (and a restart),"
        " or RESUMER_NOTIFY=on if nobody prepares decisions, or a shorter RESUMER_POLL_INTERVAL",
    )


async def check_sequences(context: CheckContext) -> Sequence[CheckResult]:
    """Check that no sequence is behind the rows of its table."""
    cursor = await context.connection.execute(load("doctor.stale_sequences"))
    behind = await cursor.fetchall()
    if not behind:
        return [ok("sequences", "are ahead of the rows of their tables")]
    return [
        error(
            "sequences",
            f"{sequence} is at {last}, ids up to {highest} are taken",
            "inserts conflict until the sequence has passed them, as after a switch to a logical"
            " replica",
            remedy,
        )
        for sequence, last, highest, remedy in behind
    ]


CHECK = "foreign triggers"


async def check_foreign_triggers(context: CheckContext) -> Sequence[CheckResult]:
    """List triggers of others with their functions: a slow write may be theirs."""
    cursor = await context.connection.execute(
        load("doctor.foreign_triggers"), {"schema": context.schema}
    )
    found = [
        f"{trigger} on {table} runs {function}"
        for table, trigger, function in await cursor.fetchall()
    ]
    if not found:
        return [ok(CHECK, "none on the tables that the daemon writes")]
    return [ok(CHECK, f"run in the daemon's transactions: {'; '.join(found)}")]
