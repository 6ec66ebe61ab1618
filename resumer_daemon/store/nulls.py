"""Where the service's tables refuse a NULL of ours, so that each write of it would fail."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from resumer_daemon.errors import Mismatch

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
    """What was found of a column. `omissible`: an insert may leave it out."""

    kind: str
    not_null: bool
    omissible: bool


def refusals(
    schema: str, found: Mapping[tuple[str, str], Column], features: Set[str]
) -> Iterator[Mismatch]:
    """Name each column that refuses what we write, or that we do not write it."""
    for (table, name), column in found.items():
        if column.not_null and name in _emptied(table, features):
            yield Mismatch(f"{schema}.{table}", name, "NULL allowed", NOT_NULL)
        elif not column.omissible and _left_out(table, name, features):
            yield Mismatch(f"{schema}.{table}", name, "NULL allowed or a default", NO_DEFAULT)


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
