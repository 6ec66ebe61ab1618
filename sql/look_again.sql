-- What was held while an execution ran is looked at again, now that it does not.
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT DISTINCT r.execution_id, 'adopt' FROM resumer.resume_requests r
WHERE r.execution_id = ANY (%(execution_ids)s::uuid[]) AND r.outcome = 'held'
