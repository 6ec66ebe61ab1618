-- Requests that no execution will ever answer for: without one, or of one that is gone. `back`: seconds; what became due
-- earlier is not looked for.
WITH gone AS (
  DELETE FROM resumer.resume_requests
  WHERE id = ANY (ARRAY(
    SELECT r.id FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
      AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
      AND (SELECT e.id FROM workflow_executions e WHERE e.id = r.execution_id) IS NULL
    ORDER BY r.due_at, r.id
    LIMIT 1000
    FOR UPDATE SKIP LOCKED))
  RETURNING *
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome)
SELECT g.id, g.execution_id, g.kind, g.source_id, g.decision, g.pause_number, g.payload, g.actor, g.reason, g.due_at,
  g.requested_at, CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = g.execution_id) IS NULL
    THEN 'orphan' ELSE 'vanished' END
FROM gone g
RETURNING kind, outcome
