-- Pauses that another program wrote and that have no record yet: ask for a look, which gives them one. coalesce:
-- a partial index that fits by its predicate alone would be read as a whole, should the plan be made on empty tables.
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT e.id, 'adopt'
FROM workflow_executions e
WHERE e.status = 'paused'
  AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = e.id AND coalesce(p.resumed_at, 'infinity') = 'infinity') IS NULL
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.execution_id = e.id AND r.kind = 'adopt' AND r.outcome IS NULL) = 0
LIMIT 10000
RETURNING execution_id
