-- Leases of executions that are gone, and the events that branches of them waited for: nobody will ever come back for them.
WITH gone AS (
  DELETE FROM resumer.leases l
  WHERE l.lease_until < clock_timestamp() AND NOT EXISTS (SELECT FROM workflow_executions e WHERE e.id = l.execution_id)
  RETURNING l.execution_id
)
DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
