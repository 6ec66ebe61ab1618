"""The columns that the daemon needs in the service's tables, and the optional ones.

Databases between the vintages are real: columns are probed, never a version number.
"""

from collections.abc import Container, Iterator, Mapping, Set
from typing import TypeAlias

from psycopg import sql

from resumer_daemon.errors import ContractError, Mismatch
from resumer_daemon.store.connect import Connection
from resumer_daemon.store.nulls import Column, altered, refusals
from resumer_daemon.store.statements import load

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
"""By kind: the type that a remedy gives a column."""

Columns: TypeAlias = Mapping[tuple[str, str], Column]


async def probe(connection: Connection, schema: str) -> frozenset[str]:
    """Return the optional columns that are there, and `no_` before those that are not.

    Raises:
        ContractError: Something that is needed is missing, of another type, or refuses what we
            write; all of it is named.
    """
    found = await _columns(connection, schema)
    features = _features(found)
    wrong = (*_of_other_types(schema, found, {}), *refusals(schema, found, features))
    if wrong:
        raise ContractError(
            "the service's tables are not as needed (was `resumer-daemon migrate up` run?):", wrong
        )
    return features


async def before_installation(
    connection: Connection, schema: str, added: Set[str]
) -> tuple[Mismatch, ...]:
    """Return what would be wrong after an installation that adds these columns of executions.

    A database without `workflow_executions` gets all tables, so nothing is wrong there.
    """
    found = await _columns(connection, schema)
    if not any(table == "workflow_executions" for table, _ in found):
        return ()
    absent = {("workflow_executions", column) for column in added} - found.keys()
    return (*_of_other_types(schema, found, absent), *refusals(schema, found, _features(found)))


async def _columns(connection: Connection, schema: str) -> Columns:
    cursor = await connection.execute(load("read_columns"), {"schema": schema})
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
