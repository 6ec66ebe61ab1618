-- A slice of the ledger by key: delete what was settled longer ago than it is kept, of executions that have ended.
WITH slice AS MATERIALIZED (
  SELECT r.id, r.execution_id, r.finished_at
  FROM resumer.settled_requests r
  WHERE r.id > %(after)s
  ORDER BY r.id
  LIMIT %(limit)s
), old AS MATERIALIZED (
  SELECT s.id FROM slice s
  WHERE s.finished_at < clock_timestamp() - make_interval(secs => %(seconds)s)
    AND coalesce((SELECT e.status FROM workflow_executions e WHERE e.id = s.execution_id), 'vanished')
      IN ('completed', 'failed', 'cancelled', 'vanished')
), trimmed AS (
  DELETE FROM resumer.settled_requests r WHERE r.id = ANY (ARRAY(SELECT o.id FROM old o)) RETURNING 1
)
SELECT (SELECT count(*) FROM trimmed) AS requests,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT max(s.id) FROM slice s) AS after
