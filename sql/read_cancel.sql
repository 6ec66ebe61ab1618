-- What cancels a claimed execution, if anything does, and as little of the execution as its end needs.
SELECT
  r.id AS request, r.actor, r.reason,
  e.id, e.execution_id AS key, e.status, e.workflow_id,
  e.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  p.number, p.reason AS pause_reason, p.asked,
  (SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) AS last_pause
FROM workflow_executions e
CROSS JOIN LATERAL (
  SELECT * FROM resumer.resume_requests o
  WHERE o.execution_id = e.id AND o.kind = 'cancel' AND o.outcome IS NULL AND o.due_at <= statement_timestamp()
  ORDER BY o.id LIMIT 1) AS r
LEFT JOIN LATERAL (
  SELECT * FROM resumer.pauses o WHERE o.execution_id = e.id AND o.resumed_at IS NULL
  ORDER BY o.number LIMIT 1) AS p ON true
WHERE e.id = ANY (current_setting('resumer.claimed')::uuid[])
