"""`migrate` and `doctor`: install the schema, and check the database."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from rich.table import Table

from resumer_daemon.cli.common import (
    REFUSED,
    AsJson,
    DatabaseUrl,
    Yes,
    console,
    errors,
    in_lines,
    print_json,
    run,
    settings,
)
from resumer_daemon.cli.output import count, count_are, escape
from resumer_daemon.store import grants as rights
from resumer_daemon.store import migrate
from resumer_daemon.store import triggers as switches
from resumer_daemon.store.doctor.finding import CheckResult
from resumer_daemon.store.doctor.report import run_checks
from resumer_daemon.store.migration_history import MigrationStatus
from resumer_daemon.store.migration_plan import ALLOW_PUBLISHED, Change, MigrationPlan, Remark
from resumer_daemon.workflow.values import Json

COUNTED = {
    "existence": "the role",
    "right": "rights: {}",
    "policy": "policies: {}",
    "ownership": "objects to own: {}",
    "membership": "membership",
}
LISTED = 20
"""The most names of one kind in the plan for people."""

REMARK_COLOURS = {"refused": "red", "note": "yellow"}


def plan_document(plan: MigrationPlan) -> Json:
    """Return the plan for programs."""
    return {
        "database": plan.role.database,
        "role": plan.role.name,
        "service_schema": plan.schema,
        "migrations": list(plan.migrations),
        "creates": {kind: list(names) for kind, names in plan.creates.items()},
        "tables": [_table(change) for change in plan.changes],
        "rewrites": [],
        "remarks": [asdict(remark) for remark in plan.remarks],
        "refused": bool(plan.refused),
    }


def print_plan(plan: MigrationPlan) -> None:
    """Print the plan for people."""
    _print_lines(f"Database {plan.role.database}, as role {plan.role.name}")
    if not plan.migrations:
        _print_lines("All migrations are applied.")
    for line in _lines(plan):
        _print_lines(line)
    if plan.changes:
        _print_lines("No table of the service is scanned or rewritten.")
    for remark in plan.remarks:
        _remark(remark)
    if plan.refused:
        _print_lines("`migrate up` would refuse to start.")


def _table(change: Change) -> Json:
    table = change.table
    return {
        "name": change.name,
        "created": table is None,
        "rows": table.rows if table else 0,
        "bytes": table.bytes if table else 0,
        "partitions": table.partitions if table else 0,
        "columns": dict(change.columns),
        "triggers": list(change.triggers),
        "indexes": list(change.indexes),
        "locks": [asdict(lock) | {"waiting": lock.waiting} for lock in change.locks],
    }


def _lines(plan: MigrationPlan) -> Iterator[str]:
    for kind, names in plan.creates.items():
        if kind == "schema":
            yield f"creates   schema {', '.join(names)}"
        elif len(names) > LISTED:
            yield f"creates   in schema resumer: {len(names)} {_plural(kind)} (`--json` lists them)"
        else:
            yield f"creates   in schema resumer: {_plural(kind)} {', '.join(names)}"
    for change in plan.changes:
        if change.table is None:
            yield f"creates   table {plan.schema}.{change.name}"
        else:
            table = change.table
            rows = f"about {table.rows} rows, {table.bytes / 1e6:.1f} MB"
            parts = f", {table.partitions} partitions" if table.partitions else ""
            yield f"alters    table {plan.schema}.{change.name} ({rows}{parts})"
        if change.columns:
            columns = ", ".join(f"{name} {kind}" for name, kind in change.columns.items())
            yield f"  columns {columns}"
        yield f"  indexes {', '.join(change.indexes) or 'none'}"
        if change.triggers:
            yield f"  trigger {', '.join(change.triggers)}"
        yield from (f"  lock    {lock}" for lock in change.locks)


def _plural(kind: str) -> str:
    return kind.removesuffix("x") + "xes" if kind.endswith("x") else f"{kind}s"


def _remark(remark: Remark) -> None:
    colour = REMARK_COLOURS[remark.verdict]
    line = escape(f"{remark.kind} {remark.name}: {remark.detail}. {remark.why}")
    console.print(f"[{colour}]{remark.verdict:9}[/] {line}", highlight=False, soft_wrap=True)
    if remark.remedy:
        _print_lines(f"  to do   {remark.remedy}")


def _print_lines(line: str) -> None:
    console.print(escape(line), highlight=False, soft_wrap=True)


migrate_app = typer.Typer(
    help="Install, update or remove the schema.", no_args_is_help=True, add_completion=False
)

AdoptBlocked = Annotated[
    bool | None,
    typer.Option(
        "--adopt-blocked/--no-adopt-blocked",
        help="Turn executions that the service blocks for an approval into pauses."
        " Default: yes at the first `up`, later what was chosen before.",
        show_default=False,
    ),
]
KeepColumns = Annotated[
    bool,
    typer.Option(
        "--keep-columns", help="Keep the columns that were added to the service's tables."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what the command would do, and change nothing.")
]
AsSql = Annotated[bool, typer.Option("--sql", help="Print the SQL instead, and change nothing.")]
PrintSql = Annotated[bool, typer.Option("--dry-run", help="Print the SQL, and change nothing.")]


AllowPublished = Annotated[
    bool,
    typer.Option(
        ALLOW_PUBLISHED,
        help="Continue although publications or logical slots replicate the new columns.",
    ),
]


@migrate_app.command()
def plan(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what `migrate up` would do: objects, locks and obstacles.

    The command changes nothing, and takes no lock that blocks others. Exit code 1: `migrate up`
    would refuse to begin.

    [dim]Example: resumer-daemon migrate plan --json[/]
    """
    _show_plan(database_url, as_json=as_json)


def _show_plan(database_url: str | None, *, as_json: bool = False) -> None:
    chosen = settings(database_url=database_url)
    found = run(migrate.plan(chosen.url, chosen.service_schema))
    if as_json:
        print_json(plan_document(found))
    else:
        print_plan(found)
    if found.refused:
        raise typer.Exit(REFUSED)


@migrate_app.command()
def up(
    database_url: DatabaseUrl = None,
    dry_run: DryRun = False,
    as_sql: AsSql = False,
    adopt_blocked: AdoptBlocked = None,
    allow_published: AllowPublished = False,
) -> None:
    """Apply the migrations that are missing or changed.

    [dim]Example: resumer-daemon migrate up --dry-run[/]
    """
    if as_sql:
        _print_sql("up", database_url)
        if adopt_blocked is not None:
            typer.echo(migrate.written_choice(on=adopt_blocked))
        return
    if dry_run:
        _show_plan(database_url)
        console.print("`--sql` prints the statements.")
        return
    chosen = settings(database_url=database_url)
    target = chosen.url, chosen.service_schema
    applied = run(
        migrate.up(*target, allow_published=allow_published, tell=_print_wait, report=_report("up"))
    )
    _print_nothing_to_do(applied)
    _switch_guard(database_url)
    if adopt_blocked is not None:
        _set_adopt_blocked(database_url, adopt_blocked)
    if applied:
        _print_missing_grants(database_url)


@migrate_app.command()
def repair(database_url: DatabaseUrl = None) -> None:
    """Create functions, triggers and views again, without touching tables or data.

    Use it when someone dropped or changed one of them. Missing migrations are applied too.

    [dim]Example: resumer-daemon migrate repair[/]
    """
    chosen = settings(database_url=database_url)
    target = chosen.url, chosen.service_schema
    run(migrate.repair(*target, tell=_print_wait, report=_report("repaired")))
    _switch_guard(database_url)
    _print_missing_grants(database_url)


@migrate_app.command()
def down(
    database_url: DatabaseUrl = None,
    dry_run: DryRun = False,
    as_sql: AsSql = False,
    keep_columns: KeepColumns = False,
    yes: Yes = False,
) -> None:
    """Remove the schema and all of its data.

    Tables that `up` created for the service go with their data. Tables of the service stay.

    [dim]Example: resumer-daemon migrate down --dry-run[/]
    """
    if as_sql:
        _print_sql("down", database_url, keep_columns=keep_columns)
        return
    chosen = settings(database_url=database_url)
    target = chosen.url, chosen.service_schema
    if dry_run or not yes:
        _print_use(run(migrate.read_use(chosen.url)))
    if dry_run:
        applied = [e.name for e in run(migrate.status(*target)) if e.applied_at is not None]
        undone = count(len(applied), "migration")
        console.print(f"{undone} would be undone. `--sql` prints the statements.")
        return
    if not yes:
        typer.confirm(
            "Drop the resumer schema and all its data, including the decision history?",
            abort=True,
            err=True,
        )
    _print_nothing_to_do(
        run(
            migrate.down(
                *target, keep_columns=keep_columns, tell=_print_wait, report=_report("down")
            )
        )
    )


def _print_use(use: migrate.InstallationUse) -> None:
    """Print what `migrate down` ends."""
    errors.print(
        f"{count_are(use.paused, 'execution')} paused: no decision will resume them any more.\n"
        f"{count_are(use.requests, 'request')} in the decision history.\n"
        f"{count_are(use.daemons, 'daemon')} connected"
        + (": stop them first." if use.daemons else "."),
        highlight=False,
        soft_wrap=True,
    )


def _report(word: str) -> Callable[[str], None]:
    """Return what prints a migration as soon as it is committed."""

    def report(name: str) -> None:
        console.print(f"[green]{word}[/] {escape(name)}", highlight=False)

    return report


def _print_nothing_to_do(names: Sequence[str]) -> None:
    if not names:
        console.print("nothing to do")


def _print_sql(
    direction: Literal["up", "down"], database_url: str | None, *, keep_columns: bool = False
) -> None:
    chosen = settings(database_url=database_url)
    for statement in run(
        migrate.pending(chosen.url, direction, chosen.service_schema, keep_columns=keep_columns)
    ):
        typer.echo(statement)


@migrate_app.command()
def grants(
    database_url: DatabaseUrl = None, dry_run: DryRun = False, as_sql: AsSql = False
) -> None:
    """Create four roles of least privilege, and grant each the rights that it lacks.

    [dim]Example: resumer-daemon migrate grants --dry-run[/]
    """
    chosen = settings(database_url=database_url)
    target = chosen.url, chosen.service_schema
    if dry_run or as_sql:
        lacking = run(rights.missing(*target))
    else:
        lacking = run(rights.give(*target, tell=_print_wait))
    if as_sql:
        for each in lacking:
            typer.echo(f"{each.statement};")
        return
    _print_nothing_to_do([each.statement for each in lacking])
    for line in _grant_summary(lacking, "missing" if dry_run else "granted"):
        _print_lines(line)
    if dry_run and lacking:
        console.print("`--sql` prints the statements.")
    if not dry_run and not run(rights.has_daemon_login(chosen.url)):
        _print_lines(
            "No login may run the daemon yet. Create one:"
            " CREATE ROLE orders_resumer LOGIN PASSWORD '...' IN ROLE resumer_daemon;"
        )


def _grant_summary(lacking: Sequence[rights.Lack], word: str) -> Iterator[str]:
    """Yield a line for each role: whether it is new, and how many rights and objects it gets."""
    for role in sorted({each.role for each in lacking}):
        kinds = Counter(
            "policy" if each.policy_on else each.what if each.what in COUNTED else "right"
            for each in lacking
            if each.role == role
        )
        parts = [noun.format(kinds[kind]) for kind, noun in COUNTED.items() if kinds[kind]]
        yield f"{word:8} {role:17} {', '.join(parts)}"


@migrate_app.command()
def triggers(
    state: Annotated[
        Literal["on", "off"], typer.Argument(help="Whether the triggers fire.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    dry_run: PrintSql = False,
) -> None:
    """Switch the triggers on the service's tables on or off.

    While they are off, the reconciler finds decisions at its next interval.

    [dim]Example: resumer-daemon migrate triggers off --dry-run[/]
    """
    chosen = settings(database_url=database_url)
    target, on = (chosen.url, chosen.service_schema), state == "on"
    if dry_run:
        for statement in run(switches.pending_switch(*target, on=on)):
            typer.echo(f"{statement};")
        return
    tables = run(switches.switch(*target, on=on, tell=_print_wait))
    for table in tables:
        console.print(f"The triggers of {table} are {state}.")
    if on:
        _switch_guard(database_url)
    if not tables:
        console.print("nothing to do")


@migrate_app.command()
def status(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List migrations: applied, missing, or changed since they were applied.

    [dim]Example: resumer-daemon migrate status --json[/]
    """
    chosen = settings(database_url=database_url)
    entries = run(migrate.status(chosen.url, chosen.service_schema))
    if as_json:
        print_json(
            [{"name": e.name, "applied_at": e.applied_at, "changed": e.changed} for e in entries]
        )
        return
    table = Table("migration", "applied", box=None)
    for entry in entries:
        table.add_row(entry.name, _applied(entry))
    console.print(table)


def _applied(entry: MigrationStatus) -> str:
    if entry.applied_at is None:
        return "[yellow]no[/]"
    changed = " [yellow]changed since: run `migrate up`[/]" if entry.changed else ""
    return f"{entry.applied_at:%Y-%m-%d %H:%M:%S %Z}{changed}"


def _print_missing_grants(database_url: str | None) -> None:
    """Print a hint if the daemon's role lacks rights on new objects."""
    chosen = settings(database_url=database_url)
    if run(rights.to_give_again(chosen.url, chosen.service_schema)):
        console.print("[yellow]rights are missing:[/] run `resumer-daemon migrate grants`")


def _print_wait(line: str) -> None:
    errors.print(f"[yellow]waiting[/] {escape(line)}", highlight=False, soft_wrap=True)


def _switch_guard(database_url: str | None) -> None:
    """Switch the trigger that refuses approvals as RESUMER_DECISION_GUARD says."""
    chosen = settings(database_url=database_url)
    enforced = chosen.decision_guard == "enforce"
    if run(migrate.refuse_approvals(chosen.url, chosen.service_schema, on=enforced)):
        console.print(
            f"The decision guard {'refuses' if enforced else 'no longer refuses'} approvals."
        )


def _set_adopt_blocked(database_url: str | None, on: bool) -> None:
    if run(migrate.adopt_blocked(settings(database_url=database_url).url, on=on)):
        console.print(f"Blocked executions will {'become pauses' if on else 'stay blocked'}.")


COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check the database, and name the repair of each fault.

    Exit code 1: something does not work. Warnings alone end with 0.

    [dim]Example: resumer-daemon doctor --json[/]
    """
    found = run(run_checks(settings(warn=False, database_url=database_url)))
    wrong = any(finding.verdict == "error" for finding in found)
    if as_json:
        print_json({"healthy": not wrong, "checks": [asdict(finding) for finding in found]})
    else:
        _print_finding(found)
    if wrong:
        raise typer.Exit(REFUSED)


def _print_finding(found: Sequence[CheckResult]) -> None:
    for finding in found:
        _line(f"[{COLOURS[finding.verdict]}]{finding.verdict:8}[/]", finding.check, finding.what)
        if finding.why:
            _line(" " * 8, "  why", finding.why)
        if finding.remedy:
            _line(" " * 8, "  remedy", finding.remedy)
    wrong = sum(finding.verdict != "ok" for finding in found)
    console.print(f"\n{wrong} of {count(len(found), 'check')} found a problem", highlight=False)


def _line(verdict: str, name: str, text: str) -> None:
    for line in in_lines(text).split("\n"):
        console.print(f"{verdict} {name:18} {line}", highlight=False, soft_wrap=True)
        verdict, name = " " * 8, ""
