"""Checks of the schema: tables, triggers, roles, control row, sequences, triggers of others."""

from collections.abc import Iterable, Sequence

from psycopg import sql
from psycopg.rows import dict_row

from resumer_daemon.errors import ContractError
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, broken, ok, warning
from resumer_daemon.store.grants import lacks
from resumer_daemon.store.migration_history import read_history, unapplied
from resumer_daemon.store.role import Role, read_role
from resumer_daemon.store.service_schema import probe
from resumer_daemon.store.statements import load
from resumer_daemon.store.triggers import GUARD, TRIGGERS, present


async def check_tables(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at both."""
    return [await _migrations(patient), await _columns(patient)]


async def _migrations(patient: CheckContext) -> CheckResult:
    missing = unapplied(await read_history(patient.connection), patient.schema)
    if not missing:
        return ok("migrations", "all are applied")
    return broken(
        "migrations",
        f"not applied: {', '.join(missing)}",
        "the daemon waits for them",
        "resumer-daemon migrate up",
    )


async def _columns(patient: CheckContext) -> CheckResult:
    try:
        features = await probe(patient.connection, patient.schema)
    except ContractError as error:
        return broken(
            "columns",
            str(error),
            "the daemon does nothing without them",
            _remedy(error),
        )
    absent = sorted(f.removeprefix("no_") for f in features if f.startswith("no_"))
    return ok("columns", "as needed" + (f" (without {', '.join(absent)})" if absent else ""))


def _remedy(error: ContractError) -> str:
    remedies = "; ".join(m.remedy for m in error.mismatches if m.remedy)
    return remedies or "resumer-daemon migrate up; else see RESUMER_SERVICE_SCHEMA"


async def check_triggers(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at the triggers, and at the guard of decisions."""
    found = await present(patient.connection, patient.schema)
    silent = TRIGGERS - found.firing
    return [
        *(_missing(name) for name in sorted(silent - found.disabled)),
        *([_disabled(silent & found.disabled)] if silent & found.disabled else []),
        *([] if silent else [ok("triggers", "all are there and enabled")]),
        _guard(patient, enabled=GUARD in found.firing),
    ]


def _missing(name: str) -> CheckResult:
    return broken(
        "triggers",
        f"{name} is missing",
        "what it should leave is found by the reconciler, up to a lap later",
        "resumer-daemon migrate up",
    )


def _disabled(names: Iterable[str]) -> CheckResult:
    """Somebody may have switched them off on purpose, such as for a change of the tables."""
    return warning(
        "triggers",
        f"disabled: {', '.join(sorted(names))}",
        "what they should leave is found by the reconciler, up to a lap later, and writes of others"
        " over what is ours are not refused",
        "resumer-daemon migrate triggers on",
    )


def _guard(patient: CheckContext, *, enabled: bool) -> CheckResult:
    asked = patient.settings.decision_guard == "enforce"
    if asked == enabled:
        return ok("decision guard", f"RESUMER_DECISION_GUARD={patient.settings.decision_guard}")
    return broken(
        "decision guard",
        f"approvals are {'not ' if asked else ''}refused by the trigger",
        "that is not what RESUMER_DECISION_GUARD says",
        "resumer-daemon migrate up",
    )


async def check_role(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at the role, its rights, the policies, and whose rights our functions have."""
    role = await read_role(patient.connection, patient.schema)
    return [
        _bounds(role, allowed=patient.settings.allow_superuser),
        _sight(role),
        *await _rights(patient, role),
        await _functions(patient),
        await _creators(patient),
    ]


def _bounds(role: Role, *, allowed: bool) -> CheckResult:
    if not role.unbound:
        return ok("role", f"{role.name} is bound by its rights")
    return CheckResult(
        "role",
        "warning" if allowed else "error",
        f"{role.name} is a superuser or has BYPASSRLS",
        "who takes over the daemon takes over the server; `run` refuses it unless told",
        "CREATE ROLE resumer LOGIN IN ROLE resumer_daemon (after `resumer-daemon migrate grants`)",
    )


def _sight(role: Role) -> CheckResult:
    if not role.hiding:
        return ok("row-level security", "hides nothing from us")
    return broken(
        "row-level security",
        f"may hide rows of {', '.join(role.hiding)}",
        "what is hidden looks deleted; the daemon does nothing while that is so",
        "resumer-daemon migrate grants",
    )


async def _rights(patient: CheckContext, role: Role) -> Sequence[CheckResult]:
    lacking = await lacks(patient.connection, patient.schema, role.name)
    if not lacking:
        return [ok("privileges", f"{role.name} has all that is needed")]
    return [
        broken(
            "privileges",
            f"{role.name} has no {lack.what}",
            "the statement that needs it fails, again and again",
            f"{lack.statement};",
        )
        for lack in lacking
    ]


async def _functions(patient: CheckContext) -> CheckResult:
    cursor = await patient.connection.execute(load("doctor.function_owners"))
    owners = [owner for (owner,) in await cursor.fetchall()]
    if not owners:
        return ok("functions", "run with the rights of a role that is bound")
    return warning(
        "functions",
        f"run with the rights of {', '.join(owners)}",
        "they need less: a fault in one of them should not have the rights of a superuser",
        "resumer-daemon migrate grants",
    )


async def _creators(patient: CheckContext) -> CheckResult:
    cursor = await patient.connection.execute(
        load("doctor.schema_creators"), {"schema": patient.schema}
    )
    creators = [creator for (creator, _) in await cursor.fetchall()]
    if not creators:
        return ok("creators", f"only the owner may create in schema {patient.schema}")
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


async def check_control_row(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at what is written there, and what the settings say."""
    cursor = patient.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor.control"))
    row = await cursor.fetchone()
    if row is None:
        return [
            broken(
                "control row",
                "is gone",
                "triggers do not notify, functions do not work",
                "INSERT INTO resumer.control DEFAULT VALUES;",
            )
        ]
    settings = patient.settings
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
    return [_row(wanted, written, row["daemons"]), await _two_phase(patient, row["notify"])]


def _row(wanted: tuple[str, ...], written: tuple[str, ...], daemons: int) -> CheckResult:
    if wanted == written:
        return ok("control row", f"as the settings say; {daemons} daemons are registered")
    return warning(
        "control row",
        f"says {', '.join(written)}; these settings {', '.join(wanted)}",
        "the daemon that started last decides these for all",
        "start all daemons with the same settings",
    )


async def _two_phase(patient: CheckContext, notify: str) -> CheckResult:
    cursor = await patient.connection.execute(load("doctor.two_phase"))
    row = await cursor.fetchone()
    if row == (0,) or notify == "off":
        return ok("two-phase commit", f"fits RESUMER_NOTIFY={notify}")
    if notify == "on":
        return broken(
            "two-phase commit",
            "is possible, and RESUMER_NOTIFY=on",
            "a transaction that has written a decision cannot be prepared",
            "RESUMER_NOTIFY=auto",
        )
    return warning(
        "two-phase commit",
        "is possible: triggers do not notify (RESUMER_NOTIFY=auto)",
        "decisions are found by polling, up to RESUMER_POLL_INTERVAL later",
        "ALTER SYSTEM SET max_prepared_transactions = 0 (and a restart),"
        " or RESUMER_NOTIFY=on where nobody prepares decisions, or a shorter RESUMER_POLL_INTERVAL",
    )


async def check_sequences(patient: CheckContext) -> Sequence[CheckResult]:
    """Look whether a sequence is behind the rows of its table."""
    cursor = await patient.connection.execute(load("doctor.stale_sequences"))
    behind = await cursor.fetchall()
    if not behind:
        return [ok("sequences", "are ahead of the rows of their tables")]
    return [
        broken(
            "sequences",
            f"{sequence} is at {last}, ids up to {highest} are taken",
            "each insert conflicts until the sequence has passed them; so it is after a switch to a"
            " logical copy",
            remedy,
        )
        for sequence, last, highest, remedy in behind
    ]


CHECK = "foreign triggers"


async def check_foreign_triggers(patient: CheckContext) -> Sequence[CheckResult]:
    """List them, each with what it runs: who looks for a slow write begins there."""
    cursor = await patient.connection.execute(
        load("doctor.foreign_triggers"), {"schema": patient.schema}
    )
    found = [
        f"{trigger} on {table} runs {function}"
        for table, trigger, function in await cursor.fetchall()
    ]
    if not found:
        return [ok(CHECK, "there are none on the tables that the daemon writes")]
    return [ok(CHECK, f"run in the daemon's transactions: {'; '.join(found)}")]
