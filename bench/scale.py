"""The latency of a decision beside a million paused and five million ended executions."""

from statistics import quantiles

import psycopg

from bench.latency import one_by_one
from bench.processes import daemon, floor
from bench.report import Row

PAUSED, FINISHED, SLICE = 1_000_000, 5_000_000, 250_000
ROUNDS = 3

# As daemon and service would have left them, past triggers: this is what is measured beside.
FILL = """
WITH made AS (
  INSERT INTO workflow_executions
    (execution_id, status, result, context, paused_reason)
  SELECT gen_random_uuid()::text, %(status)s, %(result)s, '{"order": {"total": 1}}', %(reason)s
  FROM generate_series(1, %(count)s)
  RETURNING id
), asked AS (
  INSERT INTO approval_requests (request_id, execution_id, status)
  SELECT gen_random_uuid()::text, id, %(approval)s FROM made
  RETURNING id, execution_id
), stepped AS (
  INSERT INTO step_executions (execution_id, step_id, status)
  SELECT id, 'ask', 'completed' FROM made
), paused AS (
  INSERT INTO resumer.pauses (execution_id, number, reason, approval_ids, resumed_at, resumed_by)
  SELECT execution_id, 1, 'approval_required', ARRAY[id], %(resumed)s::timestamptz, %(by)s
  FROM asked
)
INSERT INTO resumer.settled_requests
  (id, execution_id, kind, source_id, decision, due_at, requested_at, outcome)
SELECT nextval('resumer.resume_requests_id_seq'), execution_id, 'start', NULL::uuid, NULL,
  now(), now(), 'applied'
FROM asked
UNION ALL
SELECT nextval('resumer.resume_requests_id_seq'), execution_id, 'approval', id, 'approved',
  now(), now(), 'applied'
FROM asked
WHERE %(approval)s = 'approved'"""
OPEN = {
    "status": "paused", "result": None, "reason": "approval_required", "approval": "pending",
    "resumed": None, "by": None,
}  # fmt: skip
ENDED = {
    "status": "completed", "result": "allowed", "reason": None, "approval": "approved",
    "resumed": "now", "by": "approval",
}  # fmt: skip


def measure(empty: str, crowded: str, share: float) -> list[Row]:
    """Fill a database with a share of the million, and measure in turns with an empty one.

    The bare loop too: what becomes slower for it does so for whoever asks PostgreSQL.
    """
    fill(crowded, OPEN, int(PAUSED * share))
    fill(crowded, ENDED, int(FINISHED * share))
    with psycopg.connect(crowded, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    rows = []
    for name, work in (("decision", daemon), ("the bare loop", floor)):
        found: dict[str, list[float]] = {empty: [], crowded: []}
        for _ in range(ROUNDS):
            for url, taken in found.items():
                taken += one_by_one(url, work)
        for quantile in (50, 99):
            low, ours = (quantiles(found[url], n=100)[quantile - 1] * 1e3 for url in found)
            name_of = f"{name} beside {PAUSED * share:,.0f} paused, p{quantile}"
            rows.append(Row(name_of, "ms", low, ours, ours / low, 1.2, "<="))
    return rows


def fill(url: str, like: dict[str, str | None], count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for start in range(0, count, SLICE):
            connection.execute(FILL, {**like, "count": min(SLICE, count - start)})
