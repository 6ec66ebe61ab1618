-- A slice of the open pauses: end those whose execution is gone. Its journal stays, its requests become `vanished`.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.number
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), gone AS MATERIALIZED (
  SELECT s.execution_id, s.number FROM slice s
  WHERE (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL
), settled AS (
  UPDATE resumer.resume_requests r SET outcome = 'vanished', finished_at = clock_timestamp()
  FROM gone g
  WHERE r.execution_id = g.execution_id AND (r.outcome IS NULL OR r.outcome = 'held')
)
UPDATE resumer.pauses p SET resumed_at = clock_timestamp(), resumed_by = 'vanished'
FROM gone g
WHERE p.execution_id = g.execution_id AND p.number = g.number
RETURNING p.execution_id
