-- Take the incident off pauses that a person retries: each waits again for what it waited for.
WITH lifted AS (
  UPDATE resumer.pauses p
  SET reason = p.incident ->> 'reason'::text, incident = NULL
  WHERE p.execution_id = ANY (%(execution_ids)s::uuid[]) AND p.resumed_at IS NULL AND p.incident ? 'reason'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = lifted.reason FROM lifted WHERE e.id = lifted.execution_id
