-- Pauses that another program wrote and that have no record yet, and records of pauses that another program has ended:
-- ask for a look, which mends them. coalesce: a partial index that fits by its predicate alone would be read as a whole,
-- should the plan be made on empty tables.
INSERT INTO resumer.resume_requests (execution_id, kind)
(SELECT e.id, 'adopt'
FROM workflow_executions e
WHERE e.status = 'paused'
  AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = e.id AND coalesce(p.resumed_at, 'infinity') = 'infinity') IS NULL
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.execution_id = e.id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
LIMIT 10000)
UNION ALL
(SELECT p.execution_id, 'adopt'
FROM resumer.pauses p
WHERE p.resumed_at IS NULL
  AND (SELECT e.status FROM workflow_executions e WHERE e.id = p.execution_id) <> 'paused'
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.execution_id = p.execution_id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
LIMIT 10000)
RETURNING execution_id
