-- Executions, newest first: what they are, and what the paused ones wait for.
SELECT
  e.id,
  e.execution_id,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow,
  e.status,
  e.result,
  p.reason AS paused_for,
  p.step_id AS paused_at_step,
  p.paused_at,
  (SELECT array_agg(coalesce(a.approver_role, a.approver_id::text, a.request_id) ORDER BY a.requested_at)
   FROM approval_requests a
   WHERE a.execution_id = e.id AND a.status = 'pending' AND p.reason = 'approval_required'
     AND (a.id = ANY (p.asked) OR a.id <> ALL (p.earlier))) AS asked,
  e.error_message AS error,
  e.started_at
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
WHERE (%(status)s::text IS NULL OR e.status = %(status)s)
ORDER BY e.started_at DESC NULLS LAST, e.id
LIMIT %(limit)s
