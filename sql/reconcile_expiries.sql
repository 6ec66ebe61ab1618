-- A slice of the open approval pauses: ask for a new look where an expiry date has no timer that is right for it.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.asked, p.earlier
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
)
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT DISTINCT a.execution_id, 'adopt'
FROM slice s
CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
WHERE a.status = 'pending' AND a.expires_at < '9999-01-01' AND (a.id = ANY (s.asked) OR a.id <> ALL (s.earlier))
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.execution_id = a.execution_id AND r.source_id = a.id AND r.kind = 'timeout' AND coalesce(r.outcome, 'held') = 'held'
         AND r.due_at <= greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s + interval '2 seconds') = 0
RETURNING execution_id
