-- What is left: due requests that were not claimed (bounded), the seconds until the next one is due, and whether
-- events wait to be made requests of, or leases to be rescued.
SELECT
  (SELECT count(*) FROM (
    SELECT FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    LIMIT 1000) AS due) AS due_left,
  (SELECT extract(epoch FROM min(r.due_at) - statement_timestamp())::float8 FROM resumer.resume_requests r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()) AS next_due,
  EXISTS (
    SELECT FROM resumer.resume_requests r
    WHERE r.kind = 'event' AND r.execution_id IS NULL AND r.outcome IS NULL) AS events,
  EXISTS (SELECT FROM resumer.leases l WHERE l.lease_until < clock_timestamp()) AS leases
