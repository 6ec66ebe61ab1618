-- Undo writes that the guard could not check, over executions that were ours when they were written: the row is again as
-- it was before the first of them. The requests have that row as their payload until they are settled.
WITH unchecked AS MATERIALIZED (
  SELECT DISTINCT ON (r.execution_id) r.execution_id, r.payload
  FROM resumer.resume_requests r
  WHERE r.id = ANY (%(ids)s::bigint[])
  ORDER BY r.execution_id, r.id
)
UPDATE workflow_executions e SET
  status = o.status,
  result = o.result,
  error_message = o.error_message,
  context = o.context,
  resume_data = o.resume_data,
  paused_at = o.paused_at,
  paused_reason = o.paused_reason,
  paused_step_id = o.paused_step_id, --? pointers
  next_step_id = o.next_step_id, --? pointers
  current_step_id = o.current_step_id, --? current_step
  wait_state = o.wait_state, --? wait_state
  timeout_at = o.timeout_at, --? timeout_at
  resume_count = o.resume_count,
  last_resumed_at = o.last_resumed_at,
  completed_at = o.completed_at,
  duration_ms = o.duration_ms
FROM unchecked u, pg_catalog.jsonb_to_record(u.payload) AS o (
    current_step_id text, --? current_step
    wait_state jsonb, --? wait_state
    timeout_at timestamp, --? timeout_at
    paused_step_id text, next_step_id text, --? pointers
    status text, result text, error_message text, context jsonb, resume_data jsonb, paused_at timestamp, paused_reason text,
    resume_count integer, last_resumed_at timestamp, completed_at timestamp, duration_ms integer)
WHERE e.id = u.execution_id AND e.status::text <> 'cancelled' AND resumer.is_ours(u.execution_id, o.status)
