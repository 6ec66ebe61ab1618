-- Requests that no execution will ever answer for: without one, or of one that is gone.
UPDATE resumer.resume_requests SET
  outcome = CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = resume_requests.execution_id)
    IS NULL THEN 'orphan' ELSE 'vanished' END,
  finished_at = clock_timestamp()
WHERE id = ANY (ARRAY(
  SELECT r.id FROM resumer.resume_requests r
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp() AND (r.kind <> 'event' OR r.execution_id IS NOT NULL)
    AND (SELECT e.id FROM workflow_executions e WHERE e.id = r.execution_id) IS NULL
  ORDER BY r.due_at, r.id
  LIMIT 1000
  FOR UPDATE SKIP LOCKED))
RETURNING kind, outcome
