-- A slice of the open pauses: leave a request, as the trigger would, for each decision that has none.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.reason, p.asked, p.earlier
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), missed AS (
  -- EXCEPT, and not a look for each decision: the requests of an execution have no index by their approval
  SELECT a.execution_id, a.id, a.status::text AS status
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
  WHERE a.status <> 'pending' AND (a.id = ANY (s.asked) OR a.id <> ALL (s.earlier))
  EXCEPT
  SELECT r.execution_id, r.source_id, r.decision
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM resumer.requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS r
  WHERE r.kind = 'approval'
), found AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
  SELECT m.execution_id, 'approval', m.id, m.status, CASE WHEN m.status IN ('approved', 'rejected') THEN (
    SELECT o.approver_id FROM approval_requests o WHERE o.id = m.id LIMIT 1) END
  FROM missed m
  RETURNING 1
)
SELECT (SELECT count(*) FROM found) AS decision,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after
