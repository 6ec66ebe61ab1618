"""Find columns of the service's tables that refuse the daemon's values."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from psycopg import sql

from resumer_daemon.errors import Mismatch

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
"""By table that we insert into: the columns that we give a value, always."""

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
"""Where we write NULL, so that no default helps."""

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
"""By table: the columns that an update of ours sets, where they are there."""

EMPTIED_WITH: Mapping[str, Set[str]] = {
    "pointers": {"paused_step_id", "next_step_id"},
    "current_step": {"current_step_id"},
    "wait_state": {"wait_state"},
}
"""The same, of `workflow_executions`, by the optional column with which we do."""

OWNED_WITH: Mapping[str, str] = {"audit_log": "audit_organization"}
"""With which optional column a table gets the organisation, where not with `organization`."""


@dataclass(frozen=True, slots=True)
class Column:
    """The properties of a column.

    `omissible`: an insert may leave it out. `computed`: generated, or an identity column that takes
    no value of ours.
    """

    kind: str
    not_null: bool
    omissible: bool
    computed: bool


def refusals(
    schema: str, found: Mapping[tuple[str, str], Column], features: Set[str]
) -> Iterator[Mismatch]:
    """Name each column that refuses what we write, or that we do not write it."""
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
