-- Requests that are held for an execution which was deleted: nobody will look at them again.
UPDATE resumer.resume_requests SET
  outcome = CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = resume_requests.execution_id)
    IS NULL THEN 'orphan' ELSE 'vanished' END,
  finished_at = clock_timestamp()
WHERE id = ANY (ARRAY(
  SELECT r.id FROM resumer.resume_requests r
  WHERE r.outcome = 'held' AND r.execution_id IS NOT NULL
    AND (SELECT e.id FROM workflow_executions e WHERE e.id = r.execution_id) IS NULL
  LIMIT 10000
  FOR UPDATE SKIP LOCKED))
RETURNING execution_id
