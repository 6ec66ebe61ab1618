-- Due requests of an execution of which not even an incident can be written: failed, so that they stop nobody else.
UPDATE resumer.resume_requests SET outcome = 'failed', finished_at = clock_timestamp(), reason = left(%(why)s, 1000)
  , organization_id = (SELECT e.organization_id FROM workflow_executions e WHERE e.id = %(id)s) --? organization
WHERE execution_id = %(id)s AND outcome IS NULL AND due_at <= statement_timestamp()
