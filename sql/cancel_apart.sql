-- Settle what was asked of a claimed execution that is cancelled without being read, but for the cancel itself, and forget
-- the events that it waits for: so much of it as one statement may. Returns so many approvals that nobody has decided.
WITH asked AS MATERIALIZED (
  SELECT r.id FROM resumer.resume_requests r
  WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND r.id <> %(cancel)s
  LIMIT 100000
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
), void AS (
  DELETE FROM resumer.resume_requests r WHERE r.id = ANY (ARRAY(SELECT a.id FROM asked a))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome, organization_id)
  SELECT v.id, v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, v.payload, v.actor, v.reason, v.due_at,
    v.requested_at,
    CASE v.kind WHEN 'start' THEN 'duplicate' WHEN 'timeout' THEN 'superseded' WHEN 'adopt' THEN 'superseded'
      WHEN 'event' THEN 'superseded' ELSE 'too_late' END,
    %(organization)s::uuid
  FROM void v
)
SELECT p.id FROM (
  -- by the execution: there may be more that are pending than anything else
  SELECT * FROM approval_requests o WHERE o.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) OFFSET 0) AS p
WHERE p.status = 'pending'
LIMIT 20000
