-- Leases of executions that are gone: nobody will ever come back for them.
DELETE FROM resumer.leases l
WHERE l.lease_until < clock_timestamp() AND NOT EXISTS (SELECT FROM workflow_executions e WHERE e.id = l.execution_id)
