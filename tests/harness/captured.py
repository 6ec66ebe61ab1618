"""Writes of other programs that our triggers capture, and the executions for them."""

from typing import Any, LiteralString

import psycopg

FILL: LiteralString = """
INSERT INTO workflow_executions (execution_id, status, result)
SELECT kind || n,
  CASE kind WHEN 'leased' THEN 'running' WHEN 'ended' THEN 'completed' ELSE kind END,
  CASE kind WHEN 'ended' THEN 'allowed' END
FROM generate_series(%s + 1, %s) AS n, unnest('{running,leased,paused,ended}'::text[]) AS kind
"""
OURS: tuple[LiteralString, ...] = (
    "INSERT INTO approval_requests (request_id, execution_id, status)"
    " SELECT e.execution_id, e.id, 'pending' FROM workflow_executions e"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO resumer.pauses (execution_id, number, reason, resumed_at)"
    " SELECT id, 1, 'approval_required', CASE status WHEN 'paused' THEN NULL ELSE now() END"
    " FROM workflow_executions WHERE status <> 'running' ON CONFLICT DO NOTHING",
    "INSERT INTO resumer.leases (execution_id, epoch, lease_until)"
    " SELECT id, 1, 'infinity' FROM workflow_executions WHERE execution_id LIKE 'leased%'"
    " ON CONFLICT DO NOTHING",
    "DELETE FROM resumer.resume_requests",
    "UPDATE resumer.control SET event_capture = 'all'",
)

UPDATE = "UPDATE workflow_executions SET"
THOSE = "FROM workflow_executions WHERE execution_id LIKE"

# each kind of write that our triggers have work with, and of which executions
WRITES: dict[str, tuple[str, str]] = {
    "paused": (f"{UPDATE} status = 'paused' WHERE execution_id LIKE", "running"),
    "blocked": (
        f"{UPDATE} status = 'completed', result = 'blocked' WHERE execution_id LIKE",
        "running",
    ),
    "cancelled": (f"{UPDATE} status = 'cancelled' WHERE execution_id LIKE", "paused"),
    "refused over a pause": (f"{UPDATE} status = 'failed' WHERE execution_id LIKE", "paused"),
    "refused over an end": (f"{UPDATE} status = 'failed' WHERE execution_id LIKE", "ended"),
    "refused over a lease": (f"{UPDATE} context = '{{}}' WHERE execution_id LIKE", "leased"),
    "said": (
        f"{UPDATE} resume_data = '{{\"approved\": true}}' WHERE execution_id LIKE",
        "paused",
    ),
    "decided": ("UPDATE approval_requests SET status = 'approved' WHERE request_id LIKE", "paused"),
    "moved": (
        "UPDATE approval_requests SET execution_id = (SELECT min(id::text)::uuid"
        " FROM workflow_executions) WHERE request_id LIKE",
        "paused",
    ),
    "deleted": ("DELETE FROM approval_requests WHERE request_id LIKE", "paused"),
    "asked": (
        "INSERT INTO approval_requests (request_id, execution_id, status)"
        f" SELECT execution_id || ' again', id, 'pending' {THOSE}",
        "paused",
    ),
    "inserted": (
        "INSERT INTO workflow_executions (execution_id, status)"
        f" SELECT execution_id || ' again', 'paused' {THOSE}",
        "paused",
    ),
    "emitted": (
        "INSERT INTO events (event_id, event_type, payload)"
        f" SELECT execution_id, 'paid', '{{}}' {THOSE}",
        "paused",
    ),
}


def written(write: str, which: str = "%") -> str:
    statement, kind = WRITES[write]
    return f"{statement} '{kind}{which}'"


def fill(connection: psycopg.Connection[Any], after: int, to: int) -> None:
    """Write executions that the service runs, that we run, that we have paused, and ended."""
    connection.execute("SET session_replication_role = replica")
    connection.execute(FILL, [after, to])
    for statement in OURS:
        connection.execute(statement)
    connection.execute("RESET session_replication_role")
