"""The service's tables: columns that the daemon needs, columns that refuse its values.

Databases between the two vintages are real: columns are probed, never a version number.
"""

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from psycopg import sql
from psycopg.rows import class_row

from resumer_daemon.errors import ContractError, Mismatch, NoServiceSchema
from resumer_daemon.store.arrays import array
from resumer_daemon.store.connection import Connection
from resumer_daemon.store.statements import SERVICE_TABLES, load


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the service; `rows` and `bytes` are those of the last ANALYZE.

    `owned`: the current role has the rights of the owner. `added`: columns that a migration has
    added. `triggers`: the daemon's triggers.
    """

    name: str
    owner: str
    owned: bool
    rows: int
    bytes: int
    partitions: int
    row_security: bool
    forced: bool
    columns: Sequence[str]
    added: Sequence[str]
    triggers: Sequence[str]


async def require_schema(connection: Connection, schema: str) -> None:
    """Raise `NoServiceSchema` if the schema does not exist."""
    cursor = await connection.execute(load("service_schema.has_schema"), {"schema": schema})
    if (await cursor.fetchone()) != (True,):
        raise NoServiceSchema(schema)


async def read_tables(connection: Connection, schema: str) -> Mapping[str, Table]:
    """Return the existing tables of the service, by name."""
    cursor = connection.cursor(row_factory=class_row(Table))
    await cursor.execute(
        load("service_schema.read_tables"), {"schema": schema, "tables": array(SERVICE_TABLES)}
    )
    return {table.name: table for table in await cursor.fetchall()}


COMPUTED = "a column that the database computes"
NOT_NULL = "NOT NULL"
NO_DEFAULT = "NOT NULL without a default"

FILLED: Mapping[str, Set[str]] = {
    "workflow_executions": {
        "id",
        "workflow_id",
        "execution_id",
        "trigger_event",
        "trigger_payload",
        "status",
        "started_at",
    },
    "step_executions": {
        "execution_id",
        "step_id",
        "step_type",
        "status",
        "started_at",
        "completed_at",
        "duration_ms",
    },
    "approval_requests": {
        "id",
        "request_id",
        "execution_id",
        "entity_type",
        "entity_id",
        "approver_role",
        "status",
        "requested_at",
    },
    "events": {"id", "event_id", "event_type", "source", "payload", "received_at"},
    "audit_log": {"entity_type", "entity_id", "action", "actor_type", "changes", "timestamp"},
}
"""By table that the daemon inserts into: the columns that always get a value."""

EMPTIED: Mapping[str, Set[str]] = {
    "workflow_executions": {
        "result",
        "error_message",
        "paused_at",
        "paused_reason",
        "completed_at",
        "duration_ms",
    },
    "step_executions": {"output", "error_message"},
    "approval_requests": {
        "approver_id",
        "requester_id",
        "reason",
        "expires_at",
    },
    "audit_log": {"actor_id"},
}
"""The columns into which the daemon writes NULL, so that a default does not help."""

UPDATED: Mapping[str, Set[str]] = {
    "workflow_executions": {
        "status",
        "result",
        "context",
        "error_message",
        "metadata",
        "completed_at",
        "duration_ms",
        "paused_at",
        "paused_reason",
        "paused_step_id",
        "next_step_id",
        "resume_data",
        "resume_count",
        "last_resumed_at",
        "current_step_id",
        "wait_state",
        "timeout_at",
        "timeout_duration",
    },
    "approval_requests": {"status", "approver_id", "decision_reason", "decided_at"},
    "events": {"processed_at", "triggered_workflows"},
}
"""By table: the columns that the daemon updates, if they exist."""

EMPTIED_WITH: Mapping[str, Set[str]] = {
    "pointers": {"paused_step_id", "next_step_id"},
    "current_step": {"current_step_id"},
    "wait_state": {"wait_state"},
}
"""The same as `EMPTIED` for `workflow_executions`, by the optional column that must exist."""

OWNED_WITH: Mapping[str, str] = {"audit_log": "audit_organization"}
"""The optional column with which a table gets the organization, if not `organization`."""


@dataclass(frozen=True, slots=True)
class Column:
    """The properties of a column.

    `omissible`: an insert may omit it. `computed`: generated, or an identity column that accepts
    no value.
    """

    kind: str
    not_null: bool
    omissible: bool
    computed: bool


def refusals(
    schema: str, found: Mapping[tuple[str, str], Column], features: Set[str]
) -> Iterator[Mismatch]:
    """Yield each column that refuses a value of the daemon, or that needs one and gets none."""
    for (table, name), column in found.items():
        place = f"{schema}.{table}"
        if column.computed and name in _written(table):
            yield Mismatch(
                place,
                name,
                "a column that takes values",
                COMPUTED,
                altered(schema, table, name, "DROP EXPRESSION"),
            )
        elif column.not_null and name in _emptied(table, features):
            remedy = altered(schema, table, name, "DROP NOT NULL")
            yield Mismatch(place, name, "NULL allowed", NOT_NULL, remedy)
        elif not column.omissible and _left_out(table, name, features):
            remedy = altered(schema, table, name, "DROP NOT NULL")
            yield Mismatch(place, name, "NULL allowed or a default", NO_DEFAULT, remedy)


def altered(schema: str, table: str, column: str, change: str) -> str:
    """Return the statement that changes a column."""
    relation = sql.Identifier(schema, table).as_string()
    return f"ALTER TABLE {relation} ALTER COLUMN {sql.Identifier(column).as_string()} {change}"


def _written(table: str) -> Set[str]:
    sets = (FILLED, EMPTIED, UPDATED)
    return frozenset().union(*(each.get(table, frozenset()) for each in sets))


def _emptied(table: str, features: Set[str]) -> Set[str]:
    emptied = EMPTIED.get(table, frozenset())
    if table != "workflow_executions":
        return emptied
    return frozenset(emptied).union(*(EMPTIED_WITH.get(feature, ()) for feature in features))


def _left_out(table: str, name: str, features: Set[str]) -> bool:
    if table not in FILLED or (table == "audit_log" and "audit" not in features):
        return False
    if name == "organization_id":
        return OWNED_WITH.get(table, "organization") not in features
    return name not in FILLED[table]


NEEDED: Mapping[str, Mapping[str, str]] = {
    "workflows": {"id": "uuid", "workflow_id": "text", "version": "text", "definition": "jsonb"},
    "workflow_executions": {
        "id": "uuid",
        "workflow_id": "uuid",
        "execution_id": "text",
        "trigger_payload": "jsonb",
        "context": "jsonb",
        "status": "text",
        "result": "text",
        "started_at": "timestamp",
        "completed_at": "timestamp",
        "duration_ms": "number",
        "error_message": "text",
        "paused_at": "timestamp",
        "paused_reason": "text",
        "resume_data": "jsonb",
        "resume_count": "number",
        "last_resumed_at": "timestamp",
    },
    "step_executions": {"execution_id": "uuid", "step_id": "text", "output": "jsonb"},
    "approval_requests": {
        "id": "uuid",
        "request_id": "text",
        "execution_id": "uuid",
        "status": "text",
        "approver_id": "uuid",
        "approver_role": "text",
        "expires_at": "timestamp",
        "decided_at": "timestamp",
    },
    "events": {"id": "uuid", "event_type": "text", "payload": "jsonb", "received_at": "timestamp"},
    "rules": {"rule_id": "text", "rule_type": "text", "definition": "jsonb"},
}

OPTIONAL: Mapping[str, tuple[str, str, str]] = {
    "organization": ("workflow_executions", "organization_id", "uuid"),
    "pointers": ("workflow_executions", "next_step_id", "text"),
    "current_step": ("workflow_executions", "current_step_id", "text"),
    "wait_state": ("workflow_executions", "wait_state", "jsonb"),
    "timeout_at": ("workflow_executions", "timeout_at", "timestamp"),
    "audit": ("audit_log", "changes", "jsonb"),
    "audit_organization": ("audit_log", "organization_id", "uuid"),
    "requester": ("approval_requests", "requester_id", "uuid"),
    "approval_metadata": ("approval_requests", "metadata", "jsonb"),
    "timeout_duration": ("workflow_executions", "timeout_duration", "number"),
    "api_keys": ("api_keys", "key_hash", "text"),
}

KINDS = {
    "character varying": "text",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp",
    "integer": "number",
    "bigint": "number",
    "numeric": "number",
}


TYPES = {
    "text": "text",
    "timestamp": "timestamp",
    "number": "bigint",
    "uuid": "uuid",
    "jsonb": "jsonb",
}
"""By kind: the type that a remedy changes a column to."""

Columns: TypeAlias = Mapping[tuple[str, str], Column]


async def probe(connection: Connection, schema: str) -> frozenset[str]:
    """Return the existing optional columns, and the others with the prefix `no_`.

    Raises:
        NoServiceSchema: The schema does not exist.
        ContractError: Needed columns are missing, of another type, or refuse values of the daemon.
            It names all of them.
    """
    found = await _columns(connection, schema)
    if not found:
        await require_schema(connection, schema)
    features = _features(found)
    wrong = (*_of_other_types(schema, found, {}), *refusals(schema, found, features))
    if wrong:
        raise ContractError(
            "the service's tables do not fit (was `resumer-daemon migrate up` run?):", wrong
        )
    return features


async def before_installation(
    connection: Connection, schema: str, added: Set[str]
) -> tuple[Mismatch, ...]:
    """Return mismatches that would remain after an installation that adds these columns.

    A database without `workflow_executions` gets all tables, so that it has none.
    """
    found = await _columns(connection, schema)
    if not any(table == "workflow_executions" for table, _ in found):
        return ()
    absent = {("workflow_executions", column) for column in added} - found.keys()
    return (*_of_other_types(schema, found, absent), *refusals(schema, found, _features(found)))


async def _columns(connection: Connection, schema: str) -> Columns:
    cursor = await connection.execute(load("service_schema.read_columns"), {"schema": schema})
    return {
        (table, name): Column(KINDS.get(kind, kind), not_null, omissible, computed)
        for table, name, kind, not_null, omissible, computed in await cursor.fetchall()
    }


def _features(found: Columns) -> frozenset[str]:
    return frozenset(
        feature if (table, name) in found and found[table, name].kind == kind else f"no_{feature}"
        for feature, (table, name, kind) in OPTIONAL.items()
    )


def _of_other_types(
    schema: str, found: Columns, ignored: Container[tuple[str, str]]
) -> Iterator[Mismatch]:
    for table, columns in NEEDED.items():
        for name, kind in columns.items():
            column = found.get((table, name))
            if column is None and (table, name) not in ignored:
                yield Mismatch(f"{schema}.{table}", name, kind, None)
            elif column is not None and column.kind != kind:
                change = f"TYPE {TYPES[kind]} USING {sql.Identifier(name).as_string()}::text"
                if kind != "text":
                    change += f"::{TYPES[kind]}"
                remedy = altered(schema, table, name, change)
                yield Mismatch(f"{schema}.{table}", name, kind, column.kind, remedy)
