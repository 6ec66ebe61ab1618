-- Take a person's hand off pauses: each waits again for what it waited for.
WITH free AS (
  UPDATE resumer.pauses p
  SET reason = p.held ->> 'before'::text, held = NULL
  WHERE p.execution_id = ANY (%(execution_ids)s::uuid[]) AND p.resumed_at IS NULL AND p.held ? 'before'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = free.reason FROM free WHERE e.id = free.execution_id
