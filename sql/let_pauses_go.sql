-- Take a person's hand off pauses: each waits again for what it waited for.
WITH free AS (
  UPDATE resumer.pauses p
  SET reason = p.held ->> 'before'::text, held = NULL
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.held ? 'before'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = free.reason FROM free WHERE e.id = free.execution_id
