-- Requests that are held for an execution which has ended and can no longer use them: ask for a new look, under its lock.
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT DISTINCT r.execution_id, 'adopt'
FROM resumer.resume_requests r
CROSS JOIN LATERAL (SELECT o.status FROM workflow_executions o WHERE o.id = r.execution_id LIMIT 1) AS e
WHERE r.outcome = 'held' AND e.status IN ('completed', 'failed', 'cancelled')
LIMIT 10000
RETURNING execution_id
