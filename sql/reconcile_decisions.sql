-- A slice of the open pauses by key: leave a request, as the trigger would, for each decision that has none.
-- Returns where the slice ended; NULL: the lap is done.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.reason, p.asked, p.earlier
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), found AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
  SELECT a.execution_id, 'approval', a.id, a.status, CASE WHEN a.status IN ('approved', 'rejected') THEN a.approver_id END
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
  WHERE a.status <> 'pending' AND (a.id = ANY (s.asked) OR a.id <> ALL (s.earlier))
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.execution_id = a.execution_id AND r.source_id = a.id AND r.kind = 'approval'
           AND r.decision = a.status) = 0
  RETURNING 1
)
SELECT (SELECT count(*) FROM found) AS found,
  CASE WHEN (SELECT count(*) FROM slice) = %(limit)s THEN (SELECT max(execution_id::text)::uuid FROM slice) END AS last
