"""The output of `migrate plan`, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict

from resumer_daemon.cli.common import console
from resumer_daemon.cli.plain import escape
from resumer_daemon.store.migration_plan import Change, Plan, Remark
from resumer_daemon.workflow.values import Json

REMARK_COLOURS = {"refused": "red", "note": "yellow"}


def as_document(plan: Plan) -> Json:
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


def print_plan(plan: Plan) -> None:
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


def _lines(plan: Plan) -> Iterator[str]:
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
