-- Settle what was asked of a claimed execution that is cancelled without being read, but for the cancel itself, and forget
-- the events that it waits for: so much of it as one statement may. Returns so many approvals that nobody has decided.
WITH asked AS MATERIALIZED (
  SELECT r.id FROM resumer.resume_requests r
  WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND (r.outcome IS NULL OR r.outcome = 'held')
    AND r.id <> %(cancel)s
  LIMIT 100000
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
), settled AS (
  UPDATE resumer.resume_requests r
  SET outcome = CASE r.kind WHEN 'start' THEN 'duplicate' WHEN 'timeout' THEN 'superseded' WHEN 'adopt' THEN 'superseded'
      WHEN 'event' THEN 'superseded' ELSE 'too_late' END,
    organization_id = %(organization)s::uuid, --? organization
    finished_at = clock_timestamp()
  WHERE r.id = ANY (ARRAY(SELECT a.id FROM asked a))
)
SELECT p.id FROM approval_requests p
WHERE p.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND p.status = 'pending'
LIMIT 20000
