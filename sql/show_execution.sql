-- One execution with everything that is known of it, found by its id or its key.
SELECT
  e.id,
  e.execution_id,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow,
  e.status,
  e.result,
  e.error_message AS error,
  e.started_at AT TIME ZONE %(timezone)s AS started_at,
  e.completed_at AT TIME ZONE %(timezone)s AS completed_at,
  e.resume_count,
  e.last_resumed_at AT TIME ZONE %(timezone)s AS last_resumed_at,
  e.resume_data::text AS resume_data,
  coalesce((
    SELECT json_agg(json_build_object(
      'step', s.step_id, 'type', s.step_type, 'status', s.status, 'reason', s.output ->> 'reason',
      'error', s.error_message, 'at', s.completed_at AT TIME ZONE %(timezone)s) ORDER BY s.started_at, s.completed_at)
    FROM step_executions s WHERE s.execution_id = e.id)::text, '[]') AS steps,
  coalesce((
    SELECT json_agg(json_build_object(
      'number', p.number, 'reason', p.reason, 'step', p.step_id, 'waiting', p.waiting, 'incident', p.incident,
      'held', p.held, 'paused_at', p.paused_at, 'resumed_at', p.resumed_at, 'resumed_by', p.resumed_by) ORDER BY p.number)
    FROM resumer.pauses p WHERE p.execution_id = e.id)::text, '[]') AS pauses,
  coalesce((
    SELECT json_agg(json_build_object(
      'request_id', a.request_id, 'role', a.approver_role, 'status', a.status, 'reason', a.reason,
      'decision_reason', a.decision_reason, 'approver_id', a.approver_id,
      'requested_at', a.requested_at AT TIME ZONE %(timezone)s, 'decided_at', a.decided_at AT TIME ZONE %(timezone)s,
      'expires_at', a.expires_at AT TIME ZONE %(timezone)s)
      ORDER BY a.requested_at, a.id)
    FROM approval_requests a WHERE a.execution_id = e.id)::text, '[]') AS approvals,
  coalesce((
    SELECT json_agg(json_build_object(
      'id', r.id, 'kind', r.kind, 'decision', r.decision, 'outcome', r.outcome, 'actor', r.actor, 'reason', r.reason,
      'requested_at', r.requested_at, 'due_at', r.due_at, 'finished_at', r.finished_at) ORDER BY r.id)
    FROM resumer.requests r WHERE r.execution_id = e.id)::text, '[]') AS requests,
  coalesce((
    SELECT json_agg(json_build_object(
      'key', f.key, 'kind', f.kind, 'path', f.path, 'status', f.status, 'attempts', f.attempts, 'error', f.error,
      'intended_at', f.intended_at, 'next_at', f.next_at, 'finished_at', f.finished_at) ORDER BY f.intended_at)
    FROM resumer.effects f WHERE f.execution_id = e.id)::text, '[]') AS effects,
  coalesce((
    SELECT json_agg(json_build_object(
      'key', o.key, 'kind', o.kind, 'state', o.state, 'attempts', o.attempts, 'error', o.error,
      'created_at', o.created_at, 'delivered_at', o.delivered_at) ORDER BY o.created_at)
    FROM resumer.outbox o WHERE o.execution_id = e.id)::text, '[]') AS messages
FROM workflow_executions e
WHERE e.id = resumer.find(%(key)s)
