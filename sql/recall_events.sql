-- Executions that wait for an event since a moment ago: what came of its type since their last pause began (or their
-- start), and was used by no earlier wait of theirs, is a request too. Runs after the commit of the pause: an event
-- that is not seen here is committed later, and its fan-out sees the pause.
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, pause_number, payload)
SELECT p.execution_id, 'event', v.id, p.number, v.payload
FROM resumer.pauses p
CROSS JOIN LATERAL (SELECT * FROM workflow_executions o WHERE o.id = p.execution_id LIMIT 1) AS e
CROSS JOIN LATERAL (
  SELECT o.id, o.source_id FROM resumer.resume_requests o
  WHERE o.kind = 'event' AND o.execution_id IS NULL AND o.requested_at >= coalesce(
    (SELECT b.paused_at FROM resumer.pauses b WHERE b.execution_id = p.execution_id AND b.number = p.number - 1),
    (SELECT min(s.requested_at) FROM resumer.resume_requests s
     WHERE s.execution_id = p.execution_id AND s.kind = 'start'),
    e.started_at AT TIME ZONE %(timezone)s)
  ORDER BY o.requested_at OFFSET 0) AS r
CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = r.source_id LIMIT 1) AS v
WHERE p.execution_id = ANY (%(ids)s::uuid[]) AND p.resumed_at IS NULL AND p.reason = 'waiting_for_event'
  AND v.event_type = p.waiting ->> 'event'
  AND v.organization_id = e.organization_id --? organization
  AND NOT EXISTS (
    SELECT FROM resumer.resume_requests u
    WHERE u.execution_id = p.execution_id AND u.kind = 'event' AND u.source_id = v.id
      AND (u.pause_number = p.number OR u.outcome = 'applied'))
ORDER BY r.id
