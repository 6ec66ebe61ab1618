"""What the daemon needs of the service's tables, and which optional columns a database has.

Databases between the vintages are real: columns are probed, never a version number.
"""

from collections.abc import Iterator, Mapping

from resumer_daemon.errors import ContractError, Mismatch
from resumer_daemon.store.connect import Connection
from resumer_daemon.store.nulls import Column, refusals
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


async def probe(connection: Connection, schema: str) -> frozenset[str]:
    """Return the optional columns that are there, and `no_` before those that are not.

    Raises:
        ContractError: Something that is needed is missing, of another type, or refuses a NULL that
            we write; all of it is named.
    """
    cursor = await connection.execute(load("read_columns"), {"schema": schema})
    found = {
        (table, name): Column(KINDS.get(kind, kind), not_null, omissible)
        for table, name, kind, not_null, omissible in await cursor.fetchall()
    }
    kinds = {key: column.kind for key, column in found.items()}
    features = frozenset(
        feature if kinds.get((table, column)) == kind else f"no_{feature}"
        for feature, (table, column, kind) in OPTIONAL.items()
    )
    wrong = (*_of_other_types(schema, kinds), *refusals(schema, found, features))
    if wrong:
        raise ContractError(
            "the service's tables are not as needed (was `resumer-daemon migrate up` run?):", wrong
        )
    return features


def _of_other_types(schema: str, kinds: Mapping[tuple[str, str], str]) -> Iterator[Mismatch]:
    for table, columns in NEEDED.items():
        for column, kind in columns.items():
            if kinds.get((table, column)) != kind:
                yield Mismatch(f"{schema}.{table}", column, kind, kinds.get((table, column)))
