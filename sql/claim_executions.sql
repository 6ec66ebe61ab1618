-- Lock up to `limit` requests' executions that have something due; skip what others hold. Locks only: what a
-- SKIP LOCKED join reads beside the lock is as old as its snapshot, so everything is read in later statements.
-- statement_timestamp(): clock_timestamp() is volatile and no index condition.
WITH due AS MATERIALIZED (
  SELECT e.id
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
  ORDER BY r.due_at, r.id
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
)
SELECT DISTINCT id FROM due
