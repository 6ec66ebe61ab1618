-- A slice of the open pauses: end those whose execution is gone. Its journal stays, its requests become `vanished`.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), gone AS MATERIALIZED (
  SELECT s.execution_id FROM slice s
  WHERE (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
), settled AS (
  UPDATE resumer.resume_requests r SET outcome = 'vanished', finished_at = clock_timestamp()
  WHERE r.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g)) AND (r.outcome IS NULL OR r.outcome = 'held')
)
UPDATE resumer.pauses p SET resumed_at = clock_timestamp(), resumed_by = 'vanished'
WHERE p.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g)) AND p.resumed_by IS NULL
RETURNING p.execution_id
