-- A slice of the requests that are held, the oldest first: ask for a look at an execution that has ended and can no longer
-- use them; settle those of one that was deleted, for nobody will look at them again.
WITH slice AS MATERIALIZED (
  SELECT r.id, r.execution_id
  FROM resumer.resume_requests r
  WHERE r.outcome = 'held' AND r.id > %(after)s
  ORDER BY r.id
  LIMIT %(limit)s
), kept AS MATERIALIZED (
  SELECT s.execution_id, (SELECT e.status::text FROM workflow_executions e WHERE e.id = s.execution_id) AS status
  FROM slice s WHERE s.execution_id IS NOT NULL GROUP BY s.execution_id
), asked AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT k.execution_id, 'adopt' FROM kept k WHERE k.status IN ('completed', 'failed', 'cancelled')
  RETURNING 1
), gone AS (
  DELETE FROM resumer.resume_requests
  WHERE id = ANY (ARRAY(
    SELECT r.id FROM resumer.resume_requests r
    WHERE r.id = ANY (ARRAY(SELECT s.id FROM slice s JOIN kept k ON k.execution_id = s.execution_id WHERE k.status IS NULL))
      AND r.outcome = 'held'
    FOR UPDATE SKIP LOCKED))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome)
  SELECT g.id, g.execution_id, g.kind, g.source_id, g.decision, g.pause_number, g.payload, g.actor, g.reason, g.due_at,
    g.requested_at, CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = g.execution_id) IS NULL
      THEN 'orphan' ELSE 'vanished' END
  FROM gone g
  RETURNING 1
)
SELECT (SELECT count(*) FROM asked) AS held, (SELECT count(*) FROM settled) AS gone,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT max(s.id) FROM slice s) AS after
