-- What decides which moves are possible for one execution, where the caller reaches it.
SELECT e.status, p.reason, p.number AS pause_number, p.held ->> 'before' AS over, p.step_id AS step, p.ways::text AS ways,
  (SELECT coalesce(array_agg(a.request_id ORDER BY a.requested_at, a.id), '{}') FROM approval_requests a
   WHERE a.execution_id = e.id AND a.status = 'pending' AND (a.id = ANY (p.asked) OR a.id <> ALL (p.earlier))) AS asked,
  -- webhooks that the flow still waits for: their keys are in the state from which a retry goes on
  (SELECT coalesce(array_agg(f.key ORDER BY f.intended_at, f.key), '{}') FROM resumer.effects f
   WHERE p.reason = 'incident' AND f.execution_id = e.id AND f.kind = 'webhook' AND f.status <> 'done'
     AND strpos(p.state::text, f.key) > 0) AS effects
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
