-- Take the incident off pauses that a person retries: each waits again for what it waited for.
WITH lifted AS (
  UPDATE resumer.pauses p
  SET reason = p.incident ->> 'reason'::text, incident = NULL
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.incident ? 'reason'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = lifted.reason FROM lifted WHERE e.id = lifted.execution_id
