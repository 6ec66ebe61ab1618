"""The effects of `migrate up`, and the obstacles to it in the database.

It reads the catalogs, so it takes no lock that another session waits for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from psycopg.rows import class_row

from resumer_daemon.errors import Mismatch, PlanRefused
from resumer_daemon.store.arrays import array
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.migration_files import (
    PAUSE_COLUMNS,
    SERVICE_TABLES,
    Migration,
    added_columns,
    created_by,
)
from resumer_daemon.store.migration_locks import EXECUTIONS, Lock, locks_of, missing_columns
from resumer_daemon.store.service_schema import Table, before_installation, read_tables
from resumer_daemon.store.statements import SERVICE_TABLES as NAMES
from resumer_daemon.store.statements import load

ALLOW_PUBLISHED = "--allow-published"

WHY: Mapping[str, str] = {
    "publication": "It sends its tables to subscribers. Functions and triggers are not sent.",
    "logical slot": "It keeps WAL until its consumer has read it, also of these tables.",
    "subscription": "Its writes fire no triggers. The reconciler finds decisions.",
    "event trigger": "It runs when a migration creates something, and may refuse it.",
    "trigger": "It also fires when the daemon writes to the table.",
    "rule": "It rewrites writes before a trigger or the daemon sees them.",
    "check constraint": "It must allow what the daemon writes, such as status paused.",
    "policy": "It must not hide rows from the roles; `migrate grants` adds policies for them.",
    "row security": "Policies may hide rows; `migrate grants` adds policies for the roles.",
}
"""By kind of surrounding: why it matters."""


@dataclass(frozen=True, slots=True)
class PlannedRole:
    """The role that would migrate. `installed`: schema `resumer` exists."""

    name: str
    database: str
    may_create: bool
    installed: bool


@dataclass(frozen=True, slots=True)
class Surrounding:
    """An object of others. `carries`: what a publication or slot sends of what is created."""

    kind: str
    name: str
    table: str | None
    detail: str
    carries: Sequence[str]


@dataclass(frozen=True, slots=True)
class Remark:
    """A fact that matters for the migration. A refusal has a remedy.

    `replication`: the administrator may allow it.
    """

    kind: str
    name: str
    detail: str
    why: str
    verdict: Literal["refused", "note"] = "note"
    remedy: str = ""
    replication: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one table of the service; `table` is None if it is created."""

    name: str
    table: Table | None
    columns: Mapping[str, str]
    triggers: Sequence[str]
    indexes: Sequence[str]
    locks: Sequence[Lock]


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The effects that `migrate up` would have now."""

    role: PlannedRole
    schema: str
    migrations: Sequence[str]
    creates: Mapping[str, Sequence[str]]
    changes: Sequence[Change]
    remarks: Sequence[Remark]

    @property
    def refused(self) -> Sequence[Remark]:
        """The remarks that keep `migrate up` from beginning, unless they are allowed."""
        return [remark for remark in self.remarks if remark.verdict == "refused"]

    def require(self, *, allow_published: bool) -> None:
        """Raise PlanRefused where something is refused that is not allowed."""
        left = [r for r in self.refused if not (r.replication and allow_published)]
        if left:
            raise PlanRefused("\n".join(["nothing was applied:", *map(_line, left)]))


async def read_plan(
    connection: Connection, schema: str, missing: Sequence[Migration], applied: Set[str]
) -> MigrationPlan:
    """Return the plan to apply `missing` migrations; `applied` are the names in the history."""
    tables = await read_tables(connection, schema)
    new = [migration for migration in missing if migration.name not in applied]
    cursor = connection.cursor(row_factory=class_row(PlannedRole))
    role = await (await cursor.execute(load("migrate.read_migrator"))).fetchone()
    if role is None:
        raise LookupError("migrate.read_migrator returned no row")
    columns = added_columns().keys()
    mismatches = await before_installation(connection, schema, columns) if new else ()
    changes = _changes(missing, tables)
    remarks = [
        *_wrong_columns(mismatches),
        *_missing_rights(role, new, changes),
        *_remarks(await _surroundings(connection, schema), _replicated(new, tables)),
        *_row_security(tables.values()),
    ]
    names = [migration.name for migration in missing]
    return MigrationPlan(role, schema, names, _created(missing), changes, remarks)


async def _surroundings(connection: Connection, schema: str) -> Sequence[Surrounding]:
    cursor = connection.cursor(row_factory=class_row(Surrounding))
    await cursor.execute(
        load("migrate.read_surroundings"), {"schema": schema, "tables": array(NAMES)}
    )
    return await cursor.fetchall()


def _created(missing: Sequence[Migration]) -> Mapping[str, Sequence[str]]:
    """Return what is created in schema `resumer`, by kind."""
    created: dict[str, list[str]] = {}
    for migration in missing:
        if not migration.of_the_service:
            for each in created_by(migration):
                names = created.setdefault(each.kind, [])
                if each.name not in names:  # functions of one name take different arguments
                    names.append(each.name)
    return created


def _changes(missing: Sequence[Migration], tables: Mapping[str, Table]) -> Sequence[Change]:
    """Return the change of each table of the service that changes."""
    names = {migration.name for migration in missing}
    there = EXECUTIONS in tables
    of_tables = [m for m in missing if m.of_the_service and (m.name != SERVICE_TABLES or not there)]
    created = [each for migration in of_tables for each in created_by(migration)]
    locks = locks_of(missing, tables)
    changes = []
    for name in NAMES:
        columns = missing_columns(tables) if name == EXECUTIONS and PAUSE_COLUMNS in names else {}
        bound = [m for m in missing if m.bound_table == name]
        change = Change(
            name,
            tables.get(name),
            columns,
            [each.name for m in bound for each in created_by(m)],
            [each.name for each in created if each.table == name],
            [lock for lock in locks if lock.table == name],
        )
        is_new = any((each.kind, each.name) == ("table", name) for each in created)
        if is_new or columns or bound:
            changes.append(change)
    return changes


def _wrong_columns(mismatches: Sequence[Mismatch]) -> Iterator[Remark]:
    for wrong in mismatches:
        yield Remark(
            "column",
            f"{wrong.table}.{wrong.column}",
            f"expected {wrong.expected}, found {wrong.found or 'nothing'}",
            "The triggers and the daemon need it.",
            "refused",
            wrong.remedy or "set RESUMER_SERVICE_SCHEMA, or create it as the service does",
        )


def _missing_rights(
    role: PlannedRole, new: Sequence[Migration], changes: Sequence[Change]
) -> Iterator[Remark]:
    if new and not role.installed and not role.may_create:
        yield Remark(
            "right",
            role.name,
            f"may not create a schema in database {role.database}",
            "Schema resumer holds everything that the daemon owns.",
            "refused",
            f"GRANT CREATE ON DATABASE {role.database} TO {role.name}, or migrate as another role",
        )
    for change in changes:
        if change.locks and change.table is not None and not change.table.owned:
            yield Remark(
                "right",
                role.name,
                f"does not own {change.name}, whose owner is {change.table.owner}",
                "Only the owner of a table adds columns and triggers to it.",
                "refused",
                f"migrate as {change.table.owner}, as a member of it, or as a superuser",
            )


def _replicated(new: Sequence[Migration], tables: Mapping[str, Table]) -> frozenset[str]:
    """Return what a migration adds to what is replicated, as `Surrounding.carries` names it."""
    kinds = {each.kind for migration in new for each in created_by(migration)}
    added = {"all tables", "schema resumer"} if "table" in kinds else set()
    if any(m.name == PAUSE_COLUMNS for m in new) and missing_columns(tables):
        added |= {"all tables", EXECUTIONS}
    return frozenset(added)


def _remarks(surroundings: Sequence[Surrounding], added: frozenset[str]) -> Iterator[Remark]:
    for found in surroundings:
        name = f"{found.table}.{found.name}" if found.table else found.name
        why = WHY[found.kind]
        if added.isdisjoint(found.carries):
            yield Remark(found.kind, name, found.detail, why)
        else:
            yield Remark(
                found.kind,
                name,
                found.detail,
                "It would carry tables or columns that the other side does not have:"
                " replication would stop there and WAL would fill the disk here.",
                "refused",
                "create them on the other side first (docs/dba.md, Replication), then run"
                f" `migrate up {ALLOW_PUBLISHED}`",
                replication=True,
            )


def _row_security(tables: Iterable[Table]) -> Iterator[Remark]:
    for table in tables:
        if table.row_security:
            forced = ", also for the owner" if table.forced else ""
            yield Remark("row security", table.name, f"enabled{forced}", WHY["row security"])


def _line(remark: Remark) -> str:
    return f"{remark.kind} {remark.name}: {remark.detail}. {remark.why} To do: {remark.remedy}"
