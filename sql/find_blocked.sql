-- Executions that the service ended as blocked since a time, or for so many seconds, and that we know nothing of, or left
-- alone because they were not recent (sql/read_executions.sql): those where an approval was asked for and is not used up,
-- oldest first, the next `limit` after a row. `since` is of the service's clock.
SELECT e.id, e.execution_id AS key, e.started_at, e.completed_at,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow,
  (SELECT count(*) FROM approval_requests a WHERE a.execution_id = e.id AND a.status = 'pending') AS pending,
  (SELECT count(*) FROM approval_requests a WHERE a.execution_id = e.id AND a.status <> 'pending') AS decided
FROM workflow_executions e
WHERE e.status = 'completed' AND e.result = 'blocked' AND e.id > %(after)s
  AND coalesce(e.completed_at, e.started_at) >= coalesce(%(since)s::timestamptz, statement_timestamp() - make_interval(secs => %(ago)s::float8))
    AT TIME ZONE %(timezone)s
  AND EXISTS (SELECT FROM approval_requests a WHERE a.execution_id = e.id)
  AND NOT EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = e.id)
  AND NOT EXISTS (SELECT FROM resumer.requests r WHERE r.execution_id = e.id
    AND (r.kind = 'start' OR (r.kind = 'adopt' AND ((r.decision IS NULL AND r.actor IS NOT NULL) OR coalesce(e.completed_at, e.started_at)
      >= (r.requested_at - (SELECT c.adopt_within FROM resumer.control c)) AT TIME ZONE %(timezone)s))))
ORDER BY e.id
LIMIT %(limit)s
