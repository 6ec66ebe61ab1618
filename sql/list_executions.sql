-- Executions, newest first or in another order: what they are, and what the paused ones wait for. Each filter that is NULL
-- lets everything pass.
SELECT
  e.id,
  e.execution_id,
  w.workflow_id AS workflow,
  e.status,
  e.result,
  p.reason AS paused_for,
  p.step_id AS paused_at_step,
  p.paused_at,
  p.held ->> 'actor' AS held_by,
  p.waiting ->> 'event' AS event,
  p.incident ->> 'cause' AS cause,
  a.asked,
  e.error_message AS error,
  e.started_at AT TIME ZONE %(timezone)s AS started_at
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
LEFT JOIN workflows w ON w.id = e.workflow_id
LEFT JOIN LATERAL (
  SELECT array_agg(coalesce(o.approver_role, o.approver_id::text, o.request_id) ORDER BY o.requested_at) AS asked
  FROM approval_requests o
  WHERE o.execution_id = e.id AND o.status = 'pending' AND p.reason = 'approval_required'
    AND (o.id = ANY (p.asked) OR o.id <> ALL (p.earlier))) AS a ON true
WHERE (%(status)s::text IS NULL OR e.status = %(status)s)
  AND (%(workflow)s::text IS NULL OR w.workflow_id = %(workflow)s)
  AND (%(reason)s::text IS NULL OR p.reason = %(reason)s)
  AND (%(role)s::text IS NULL OR %(role)s = ANY (a.asked))
  AND (%(seconds)s::float8 IS NULL OR p.paused_at < clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY
  CASE %(sort)s WHEN 'paused' THEN p.paused_at END,
  CASE %(sort)s WHEN 'workflow' THEN w.workflow_id END,
  CASE %(sort)s WHEN 'status' THEN e.status END,
  e.started_at DESC NULLS LAST, e.id
LIMIT %(limit)s
