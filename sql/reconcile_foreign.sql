-- Pauses that another program wrote and that have no record yet: ask for a look, which gives them one.
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT e.id, 'adopt'
FROM workflow_executions e
WHERE e.status = 'paused'
  AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = e.id AND p.resumed_at IS NULL) IS NULL
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.execution_id = e.id AND r.kind = 'adopt' AND r.outcome IS NULL) = 0
LIMIT 10000
RETURNING execution_id
