-- A slice of the open approval pauses: ask for a new look where an expiry date has no timer that is right for it. Grouped,
-- and not looked up for each approval: the requests of an execution have no index by their approval.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.asked, p.earlier
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), times AS (
  SELECT a.execution_id, a.id AS approval, greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s AS expires,
    NULL::timestamptz AS due
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
  WHERE a.status = 'pending' AND a.expires_at < '9999-01-01' AND (a.id = ANY (s.asked) OR a.id <> ALL (s.earlier))
  UNION ALL
  SELECT r.execution_id, r.source_id, NULL, r.due_at
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM resumer.resume_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS r
  WHERE r.kind = 'timeout'
), wrong AS (
  SELECT t.execution_id FROM times t
  GROUP BY t.execution_id, t.approval
  HAVING coalesce(min(t.due), 'infinity') > max(t.expires) + interval '2 seconds'
), asked AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT DISTINCT w.execution_id, 'adopt' FROM wrong w
  RETURNING 1
)
SELECT (SELECT count(*) FROM asked) AS expiry,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after
