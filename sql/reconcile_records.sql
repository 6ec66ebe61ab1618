-- A slice of the open pauses: ask for a look where another program has ended the pause, and no trigger saw it.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), asked AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT s.execution_id, 'adopt' FROM slice s
  WHERE (SELECT e.status FROM workflow_executions e WHERE e.id = s.execution_id) <> 'paused'
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.execution_id = s.execution_id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
  RETURNING 1
)
SELECT (SELECT count(*) FROM asked) AS foreign_pause,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after
