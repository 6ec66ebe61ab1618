-- Executions that another program has ended as blocked since the installation, with an approval, and that have no pause:
-- ask for one look at each, because a trigger may have missed the end. A request that a trigger left before the end says
-- nothing about it. Those with a pending approval are found by its status, those whose approvals were decided meanwhile
-- among the newest that began within a day. It reads a row of each, so it is asked once a lap.
WITH times AS MATERIALIZED (
  SELECT c.installed_at AT TIME ZONE %(timezone)s AS installed,
    (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day' AS recent
  FROM resumer.control c WHERE c.adopt_blocked
), candidates AS MATERIALIZED (
  SELECT a.execution_id AS id FROM times t CROSS JOIN approval_requests a
  WHERE a.status = 'pending' AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = a.execution_id) IS NULL
  UNION
  SELECT n.id FROM times t CROSS JOIN LATERAL (
    SELECT o.id, o.status, o.result FROM workflow_executions o
    WHERE o.started_at >= t.recent ORDER BY o.started_at DESC LIMIT 100000) AS n
  WHERE n.status = 'completed' AND n.result = 'blocked'
    AND (SELECT count(*) FROM approval_requests a WHERE a.execution_id = n.id) > 0
)
INSERT INTO resumer.resume_requests (execution_id, kind, decision)
SELECT c.id, 'adopt', 'missed'
FROM times t CROSS JOIN candidates c
CROSS JOIN LATERAL (
  SELECT o.status, o.result, coalesce(o.completed_at, o.started_at) AS ended FROM workflow_executions o
  WHERE o.id = c.id OFFSET 0) AS e
WHERE e.status = 'completed' AND e.result = 'blocked' AND e.ended >= t.installed
  AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = c.id) IS NULL
  AND (SELECT count(*) FROM resumer.requests r
       WHERE r.execution_id = c.id AND (r.kind = 'start' OR (r.kind = 'adopt' AND r.decision = 'missed'))) = 0
LIMIT 10000
RETURNING execution_id
