-- A slice of the open pauses: end those whose execution is gone. Its journal stays, its timers become `vanished`.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
)
UPDATE resumer.pauses p SET resumed_at = clock_timestamp(), resumed_by = 'vanished'
FROM slice s
WHERE p.execution_id = s.execution_id AND p.resumed_at IS NULL
  AND NOT EXISTS (SELECT FROM workflow_executions e WHERE e.id = s.execution_id)
RETURNING p.execution_id
