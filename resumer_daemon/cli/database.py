"""`migrate` and `doctor`: install into a database, and check it."""

from collections.abc import Iterator, Sequence
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
    print_json,
    run,
    settings,
)
from resumer_daemon.cli.output import escape
from resumer_daemon.store import grants as rights
from resumer_daemon.store import migrate
from resumer_daemon.store import migrate as runner
from resumer_daemon.store import triggers as switches
from resumer_daemon.store.doctor.finding import CheckResult
from resumer_daemon.store.doctor.report import run_checks
from resumer_daemon.store.migration_history import MigrationStatus
from resumer_daemon.store.migration_plan import ALLOW_PUBLISHED, Change, MigrationPlan, Remark
from resumer_daemon.workflow.values import Json

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
        _print_lines("`migrate up` refuses to begin.")


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
        yield f"creates   {len(names)} x {kind} in schema resumer: {', '.join(names)}"
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


def _remark(remark: Remark) -> None:
    colour = REMARK_COLOURS[remark.verdict]
    said = escape(f"{remark.kind} {remark.name}: {remark.detail}. {remark.why}")
    console.print(f"[{colour}]{remark.verdict:9}[/] {said}", highlight=False, soft_wrap=True)
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
        help="Whether what the service ends as blocked for an approval becomes a pause.",
        show_default="as it is; at first yes",
    ),
]
KeepColumns = Annotated[
    bool,
    typer.Option("--keep-columns", help="Keep the columns that were added to the service's table."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL, change nothing.")]


AllowPublished = Annotated[
    bool,
    typer.Option(
        ALLOW_PUBLISHED, help="Go on although publications or logical slots carry what is added."
    ),
]


@migrate_app.command()
def plan(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what `migrate up` would do: objects, locks, and what speaks against it.

    Exits with 1 where `migrate up` refuses to begin. Changes nothing and takes no lock that anybody
    waits for.

    [dim]Example: resumer-daemon migrate plan --json[/]
    """
    chosen = settings(database_url=database_url)
    found = run(runner.plan(chosen.url, chosen.service_schema))
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
    adopt_blocked: AdoptBlocked = None,
    allow_published: AllowPublished = False,
) -> None:
    """Apply what is missing or was changed.

    [dim]Example: resumer-daemon migrate up --dry-run[/]
    """
    applied = _change("up", database_url, dry_run, allow_published=allow_published)
    _enforce(database_url, dry_run)
    if adopt_blocked is not None:
        _choose(database_url, dry_run, adopt_blocked)
    if applied:
        _say_what_is_not_granted(database_url)


@migrate_app.command()
def down(
    database_url: DatabaseUrl = None,
    dry_run: DryRun = False,
    keep_columns: KeepColumns = False,
    yes: Yes = False,
) -> None:
    """Undo everything: tables that `up` created go, with their data; the service's stay.

    [dim]Example: resumer-daemon migrate down --dry-run[/]
    """
    if not dry_run and not yes:
        typer.confirm("drop all that was installed, and the ledger with it?", abort=True, err=True)
    _change("down", database_url, dry_run, keep_columns=keep_columns)


@migrate_app.command()
def grants(database_url: DatabaseUrl = None, dry_run: DryRun = False) -> None:
    """Make four roles of least privilege, and give each the rights that it lacks.

    [dim]Example: resumer-daemon migrate grants --dry-run[/]
    """
    chosen = settings(database_url=database_url)
    place = chosen.url, chosen.service_schema
    statements = run(rights.missing(*place) if dry_run else rights.give(*place, tell=_tell))
    for statement in statements:
        typer.echo(f"{statement};")
    if not statements:
        console.print("nothing to do")


@migrate_app.command()
def triggers(
    state: Annotated[
        Literal["on", "off"], typer.Argument(help="Whether our triggers fire.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    dry_run: DryRun = False,
) -> None:
    """Switch our triggers on the service's tables off, or on again.

    While they are off the daemon finds decisions by itself, up to a lap of the reconciler later.

    [dim]Example: resumer-daemon migrate triggers off --dry-run[/]
    """
    chosen = settings(database_url=database_url)
    place, on = (chosen.url, chosen.service_schema), state == "on"
    if dry_run:
        for statement in run(switches.pending_switch(*place, on=on)):
            typer.echo(f"{statement};")
        return
    tables = run(switches.switch(*place, on=on, tell=_tell))
    for table in tables:
        console.print(f"the triggers of {table} are {state} now")
    if on:
        _enforce(database_url, dry_run)
    if not tables:
        console.print("nothing to do")


@migrate_app.command()
def status(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show which migrations are applied, and which were changed since.

    [dim]Example: resumer-daemon migrate status --json[/]
    """
    chosen = settings(database_url=database_url)
    entries = run(runner.status(chosen.url, chosen.service_schema))
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
    changed = " [yellow]changed since, `migrate up` applies it again[/]" if entry.changed else ""
    return f"{entry.applied_at:%Y-%m-%d %H:%M:%S %Z}{changed}"


def _change(
    direction: Literal["up", "down"],
    database_url: str | None,
    dry_run: bool,
    *,
    keep_columns: bool = False,
    allow_published: bool = False,
) -> list[str]:
    """Go up or down; return what was applied or undone."""
    chosen = settings(database_url=database_url)
    place = chosen.url, chosen.service_schema
    if dry_run:
        for statement in run(
            runner.pending(place[0], direction, place[1], keep_columns=keep_columns)
        ):
            typer.echo(statement)
        return []
    if direction == "down":
        names = run(runner.down(*place, keep_columns=keep_columns, tell=_tell))
    else:
        names = run(runner.up(*place, allow_published=allow_published, tell=_tell))
    for name in names:
        console.print(f"[green]{direction}[/] {name}")
    if not names:
        console.print("nothing to do")
    return names


def _say_what_is_not_granted(database_url: str | None) -> None:
    """A daemon that runs without the rights on what is new would fail."""
    chosen = settings(database_url=database_url)
    if run(rights.to_give_again(chosen.url, chosen.service_schema)):
        console.print("[yellow]rights are missing now:[/] run `resumer-daemon migrate grants`")


def _tell(line: str) -> None:
    errors.print(f"[yellow]waiting[/] {escape(line)}", highlight=False, soft_wrap=True)


def _enforce(database_url: str | None, dry_run: bool) -> None:
    """Have the trigger that refuses approvals on where the settings say so, and else off."""
    chosen = settings(database_url=database_url)
    enforced = chosen.decision_guard == "enforce"
    if dry_run:
        return
    if run(migrate.refuse_approvals(chosen.url, chosen.service_schema, on=enforced)):
        console.print(f"approvals are {'refused' if enforced else 'not refused'} by the guard now")


def _choose(database_url: str | None, dry_run: bool, on: bool) -> None:
    if dry_run:
        typer.echo(migrate.written_choice(on=on))
        return
    if run(migrate.adopt_blocked(settings(database_url=database_url).url, on=on)):
        console.print(
            f"blocked executions are {'adopted' if on else 'left as they are'} from now on"
        )


COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check the database, and name the repair of each fault.

    Exit code 1: something does not work. Warnings alone end with 0.

    [dim]Example: resumer-daemon doctor --json[/]
    """
    found = run(run_checks(settings(database_url=database_url)))
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
    count = sum(finding.verdict != "ok" for finding in found)
    console.print(f"\n{count} of {len(found)} checks found something", highlight=False)


def _line(verdict: str, name: str, text: str) -> None:
    console.print(f"{verdict} {name:18} {escape(text)}", highlight=False, soft_wrap=True)
