-- Due requests of an execution of which not even an incident can be written: failed, so that they stop nobody else.
WITH failed AS (
  DELETE FROM resumer.resume_requests
  WHERE execution_id = %(id)s AND outcome IS NULL AND due_at <= statement_timestamp()
  RETURNING *
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT f.id, f.execution_id, f.kind, f.source_id, f.decision, f.pause_number, f.payload, f.actor, left(%(why)s, 1000), f.due_at,
  f.requested_at, 'failed',
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = f.execution_id) --? organization
  NULL --? no_organization
FROM failed f
